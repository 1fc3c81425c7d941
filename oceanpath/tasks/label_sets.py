"""Several binary labels per slide as text and as numbers.

In tables of folds and predictions the label of a slide has one part per target: ``1;0;?`` is present, absent, unknown.
As numbers these are 1, 0 and NaN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.cohort.checks import LabelCells
from oceanpath.errors import ExperimentError, OceanPathError, shorten_list
from oceanpath.tasks.class_labels import as_class

PRESENT, ABSENT, UNKNOWN, BETWEEN = "1", "0", "?", ";"
NUMBERS = {PRESENT: 1.0, ABSENT: 0.0, UNKNOWN: np.nan}
FEWEST = 20
"""Slides of a combination of labels from which it is a stratum of its own."""
OTHERS = "other combinations"
Floats = NDArray[np.float64]


def read_label_sets(cells: LabelCells, targets: Sequence[str], positive: str) -> tuple[list[str], list[OceanPathError]]:
    """The labels of the rows of a table, and its problems; a row without any known label has no label.

    Args:
        cells: One column per target.
        targets: Their names.
        positive: The value that means present; "": columns contain 1 and 0.
    """
    problems, parts = list[OceanPathError](), list[list[str]]()
    for name in targets:
        column = cells.columns[name]
        value = positive or PRESENT
        parts.append([_part(cell, value) for cell in column])
        problems += _column_problems(column, value, f"{cells.path} column {name}", is_coded=not positive)
    rows = [BETWEEN.join(row) if set(row) != {UNKNOWN} else "" for row in zip(*parts, strict=True)]
    return rows, problems


def _part(cell: str, positive: str) -> str:
    if not cell:
        return UNKNOWN
    return PRESENT if as_class(cell, [positive]) == positive else ABSENT


def _column_problems(cells: Sequence[str], positive: str, where: str, *, is_coded: bool) -> list[OceanPathError]:
    """A column without two values, or, if it must be coded by 1 and 0, with others."""
    counts = Counter(as_class(cell, [positive, ABSENT] if is_coded else [positive]) for cell in cells if cell)
    got = shorten_list([f"{value!r} ({count})" for value, count in sorted(counts.items())], 6)
    others = set(counts) - {positive}
    if is_coded and set(counts) - {PRESENT, ABSENT}:
        do = "Code the columns by 1 and 0, or set data.positive to the value that means present in all of them."
        return [ExperimentError("a target is not coded by 1 and 0", where=where, got=got, do=do)]
    if len(others) == 1 and positive in counts:
        return []
    what = "a target has more than two values" if len(others) > 1 else "all known labels of a target are the same"
    do = "Leave cells empty if the label is unknown; leave out targets with one value."
    return [ExperimentError(what, where=where, expected=f"{positive!r} and one other value", got=got, do=do)]


def is_label_set(label: str, count: int) -> bool:
    """Whether a label has `count` parts, of which one is known."""
    parts = label.split(BETWEEN)
    return len(parts) == count and set(parts) <= set(NUMBERS) and set(parts) != {UNKNOWN}


def label_numbers(labels: Sequence[str], count: int) -> Floats:
    """Numbers [n, count] of valid labels; NaN where a label is unknown."""
    rows = [[NUMBERS[part] for part in label.split(BETWEEN)] for label in labels]
    return np.asarray(rows, np.float64).reshape(len(labels), count)


def combinations(labels: Sequence[str], targets: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the combinations of labels and that of each row, [n]; rare ones are one group.

    If even the rare ones together are few, they join the most frequent combination.
    """
    counts = Counter(labels)
    frequent = sorted(label for label, count in counts.items() if count >= FEWEST)
    rest = len(labels) - sum(counts[label] for label in frequent)
    names = [_named(label, targets) for label in frequent]
    at = {label: number for number, label in enumerate(frequent)}
    if not frequent or rest >= FEWEST:
        other = len(names)
        names += [OTHERS] if rest else []
    else:
        other = frequent.index(max(frequent, key=lambda label: (counts[label], label)))
    return tuple(names), np.asarray([at.get(label, other) for label in labels], np.int64)


def _named(label: str, targets: Sequence[str]) -> str:
    signs = {PRESENT: "+", ABSENT: "-", UNKNOWN: "?"}
    return " ".join(f"{name}{signs[part]}" for name, part in zip(targets, label.split(BETWEEN), strict=True))
