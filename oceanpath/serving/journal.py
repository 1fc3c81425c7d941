"""The journal of a prediction: one JSON object per line, so that a later run predicts only what is missing.

    {"settings": {...}, "check": ...}              first line: everything but the slides that determines the rows
    {"input": {...}, "row": {...}, "check": ...}   one line per slide, written when its row is complete

`check` is the xxh3-64 digest of the rest of the line. A line is used only if it is complete, equal to its digest and
preceded by such lines; the file is cut before the first other line. With other settings the journal begins again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import xxhash

from oceanpath.serving.answer_rows import Row


class Journal:
    """The rows of earlier runs, to which new rows are added; without a file only those of this run."""

    def __init__(self, path: Path | None, settings: Mapping[str, Any]) -> None:
        """Read the rows that were computed with the same settings. Raises: OSError: the file cannot be written."""
        self._rows: dict[str, Row] = {}
        self._file: IO[bytes] | None = None
        if path is None:
            return
        kept = self._load(path, settings)
        self._file = path.open("ab")
        self._file.truncate(kept)
        if not kept:
            self._write({"settings": dict(settings)})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def get(self, key: Mapping[str, Any]) -> Row | None:
        """The row of this version of an input; None if it was not predicted yet."""
        return self._rows.get(_text(key))

    def add(self, key: Mapping[str, Any], row: Row) -> None:
        """Record a row; it survives the end of this process at any time."""
        self._rows[_text(key)] = row
        self._write({"input": dict(key), "row": row})

    def _load(self, path: Path, settings: Mapping[str, Any]) -> int:
        """Read the usable lines; returns their length in bytes."""
        if not path.exists():
            return 0
        kept = 0
        with path.open("rb") as file:
            for line in file:
                entry = _parse(line)
                if entry is None or (not kept and entry.get("settings") != settings):
                    break
                if kept:
                    self._rows[_text(entry["input"])] = entry["row"]
                kept += len(line)
        return kept

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(_render(entry))
            self._file.flush()


def _render(entry: Mapping[str, Any]) -> bytes:
    check = xxhash.xxh3_64_hexdigest(_text(entry).encode())
    return (_text({**entry, "check": check}) + "\n").encode()


def _parse(line: bytes) -> dict[str, Any] | None:
    """The object of a complete and undamaged line, otherwise None."""
    try:
        entry: dict[str, Any] = json.loads(line)
        rest = {name: value for name, value in entry.items() if name != "check"}
    except (ValueError, AttributeError):
        return None
    return rest if _render(rest) == line else None


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, allow_nan=False)
