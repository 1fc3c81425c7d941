"""The file of predictions: CSV or parquet by its suffix, replaced as a whole when it is complete."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oceanpath.cli.outputs import prepare_file
from oceanpath.errors import ExperimentError, StageError, shorten_list

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class PredictionTable:
    """The file of predictions, or stdout."""

    path: Path | None

    @property
    def journal(self) -> Path | None:
        """The file in which finished slides are recorded; None if predictions are printed, or written to a device."""
        if self.path is None or self._is_device():
            return None
        return self.path.with_name(f"{self.path.name}.journal.jsonl")

    def prepare(self) -> None:
        """Check that the table and its journal can be written. Raises: ExperimentError."""
        if self.path is None:
            return
        prepare_file(self.path)
        if self.journal is None:
            return
        if self.path.suffix.lower() not in SUFFIXES:
            raise ExperimentError("unknown type of file", where="--out", expected=" or ".join(SUFFIXES), got=self.path)
        prepare_file(self.journal)

    def write(self, table: pd.DataFrame) -> None:
        """Write or print the table. Raises: StageError: the system refuses."""
        try:
            if self.path is None or self._is_device():
                table.to_csv(self.path or sys.stdout, index=False)
            else:
                _replace(self.path.resolve(), table)
        except OSError as error:
            raise StageError("the table cannot be written", where=self.path or "stdout", got=error) from error

    def _is_device(self) -> bool:
        return self.path is not None and self.path.exists() and not self.path.is_file()


def note_lines(table: pd.DataFrame) -> list[str]:
    """Notes on the predictions, each printed once with its slides."""
    slides_of: dict[str, list[str]] = {}
    for slide, notes in zip(table["slide_id"], table["notes"], strict=True):
        for note in filter(None, notes.split("; ")):
            slides_of.setdefault(note, []).append(slide)
    return [f"{_named(slides, len(table))}: {note}" for note, slides in slides_of.items()]


def _replace(path: Path, table: pd.DataFrame) -> None:
    """Write a complete file under another name, then rename it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.suffix.lower() == ".parquet":
            from oceanpath.artifacts.tables import write_table

            write_table(table, partial)
        else:
            table.to_csv(partial, index=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _named(slides: list[str], total: int) -> str:
    if len(slides) == 1:
        return f"slide {slides[0]}"
    return f"{len(slides)} of {total} slides ({shorten_list(slides)})"
