"""`oceanpath init` on tables of other projects: each gives an experiment that runs, or a message what is missing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.cohort.user_tables import read_user_table

from .program import Output, Program

QUICK = ("train.epochs=1", "split.folds=2", "eval.resamples=100")


class Outcome(NamedTuple):
    """A table and what became of it."""

    table: str
    outcome: str


def try_tables(program: Program, folder: Path, scratch: Path) -> Iterator[Outcome]:
    """The outcome for every table below `folder`. Raises: AssertionError: a message names no remedy."""
    for number, table in enumerate(sorted(folder.rglob("*.csv"))):
        own = scratch / f"{number}_{table.stem}"
        own.mkdir()
        yield Outcome(f"{table.parent.name}/{table.name}", _outcome(program, table, own))


def _outcome(program: Program, table: Path, folder: Path) -> str:
    alone = program.run(["init", str(table), "--yes"], folder)
    if not (folder / "oceanpath.toml").exists():
        return _message(alone)
    data = tomllib.loads((folder / "oceanpath.toml").read_text(encoding="utf-8"))["data"]
    assert "missing: a folder of slides or features: set data.slides or data.features" in alone.lines
    _write_features(folder / "features", table, data)
    words = ["init", "features", str(table), "--yes", "--force", "--allow-missing"]
    if (valid := program.run(words, folder)).code:
        return _message(valid)
    ran = program.run(["eval", *(word for pair in QUICK for word in ("--set", pair))], folder)
    assert ran.code == 0, ran.lines[-5:]
    return f"runs: {data.get('label', data.get('task'))}"


def _message(output: Output) -> str:
    """The error of a command, which names a remedy."""
    errors = [line for line in output.lines if line.startswith("error: ")]
    assert output.code == 2 and len(errors) == 1, output
    assert any(word in errors[0] for word in ("--", "split.", "data.")), errors
    return errors[0].removeprefix("error: ")


def _write_features(folder: Path, table: Path, data: dict[str, Any]) -> None:
    """Random features of every slide of the table."""
    folder.mkdir()
    rows = read_user_table(table)
    column, random = rows.names().index(data["slide_id"]), np.random.default_rng(0)
    for name in sorted({slide_id(str(row[column])) for row in rows.rows}):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["features"] = random.standard_normal((4, 8), dtype=np.float32)
