"""Rows of a split file, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from oceanpath.artifacts.folds import ROLES
from oceanpath.errors import ExperimentError, shorten_list

SYNONYMS = {
    "training": "train",
    "validation": "val",
    "valid": "val",
    "dev": "val",
    "tune": "val",
    "testing": "test",
}
"""Other names of roles."""


class SplitRow(NamedTuple):
    """The role of a slide or a patient in one fold."""

    fold: str
    """As the file names it."""
    name: str
    """Slide id or patient id."""
    role: str
    """train, val or test."""
    repeat: str = ""
    """As the file names it; "" where it has no repeats."""


@dataclass(frozen=True)
class SplitFile:
    """The roles of a split file."""

    path: Path
    form: str
    """The format, in words."""
    unit: Literal["slide", "patient"]
    """What `SplitRow.name` identifies."""
    rows: list[SplitRow]


def read_role(cell: str, where: object) -> str:
    """The role that a cell names; "" for an empty one.

    Raises: ExperimentError: it names none.
    """
    word = cell.strip().lower()
    role = SYNONYMS.get(word, word)
    if role and role not in ROLES:
        raise ExperimentError("unknown role in a split file", where=where, expected=", ".join(ROLES), got=cell)
    return role


def in_fold_order(names: Iterable[str]) -> list[str]:
    """Names of folds, each once; numbers in numeric order, then other names."""
    known = set(names)
    numbers = sorted((name for name in known if name.isdecimal()), key=int)
    return [*numbers, *sorted(known - set(numbers))]


def missing_columns(path: Path, expected: str, names: Iterable[str]) -> ExperimentError:
    """The error of a table that is no split file."""
    return ExperimentError("this table is no split file", where=path, expected=expected, got=shorten_list(names, 12))
