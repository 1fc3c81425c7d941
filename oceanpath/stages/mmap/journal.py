"""The journal of a build: one line per finished bag, verified against its bytes when the build is resumed.

    local/journal.txt   a line of 32 hex digits: digest of the plan, which determines every bag and its position; then
                        per bag, written after its bytes: its number in the plan and its digest

Syncing to the disk is not necessary: every bag in the journal is read again, and rewritten if its bytes did not reach
the disk. A truncated or damaged line is ignored.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from oceanpath.artifacts.store.reader import chunk_name
from oceanpath.artifacts.store.writer import StoreLayout
from oceanpath.pipeline.stage import JOURNAL

LINE = re.compile(rb"(\d+) ([0-9a-f]{32})\n")
HEAD = 33
"""Bytes of the first line."""


class Journal:
    """The journal of one build. `add` may be called from several threads."""

    def __init__(self, out: Path, plan: str, layout: StoreLayout) -> None:
        """Open the journal below `out`, which is empty or has the files of an interrupted build.

        These files are removed, except the chunks of `layout` if that build had the same `plan`.

        Raises: OSError: the disk failed.
        """
        self.finished: Mapping[int, str] = _read_entries(out / JOURNAL, plan)
        """Number of a bag → its digest, for bags that were written before."""
        kept = {out / JOURNAL, *(out / name for name in (_chunks(layout) if self.finished else ()))}
        for path in [path for path in out.rglob("*") if path.is_file()]:
            if path not in kept or path.stat().st_nlink > 1:  # the bytes of a hard link belong to an earlier store
                path.unlink()
        self._file = _open_new(out / JOURNAL, plan, self.finished) if plan else None

    def add(self, number: int, digest: str) -> None:
        """Record a written bag. Raises: OSError: the disk failed."""
        if self._file is not None:
            os.write(self._file, f"{number} {digest}\n".encode())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)


def _open_new(path: Path, plan: str, entries: Mapping[int, str]) -> int:
    """Write a new journal with the lines of an earlier one; returns its descriptor.

    If the process is killed before it is complete, the earlier one remains.
    """
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text("".join((f"{plan}\n", *(f"{number} {digest}\n" for number, digest in entries.items()))))
    new.replace(path)
    return os.open(path, os.O_WRONLY | os.O_APPEND)


def plan_digest(layout: StoreLayout, slides: list[tuple[str, str]], recipe: str) -> str:
    """32 hex digits of everything that determines bags and positions; `slides` are (slide id, digest of the file).

    "", which disables the journal, if the digest of a file is unknown.
    """
    if not all(file for _, file in slides):
        return ""
    digest = hashlib.blake2b(f"{recipe} {layout.dim} {layout.dtype} {layout.has_coords}".encode(), digest_size=16)
    for column in (layout.lengths, layout.chunk_ids, layout.feature_offsets, layout.coord_offsets):
        digest.update(column.tobytes())
    for slide, file in slides:
        digest.update(f"{slide}\0{file}\0".encode())
    return digest.hexdigest()


def _chunks(layout: StoreLayout) -> set[str]:
    """Names of all chunk files of a layout."""
    sizes = {kind: layout.chunk_sizes(kind).tolist() for kind in ("features", "coords")}
    return {chunk_name(kind, chunk) for kind, chunks in sizes.items() for chunk, size in enumerate(chunks) if size}


def _read_entries(path: Path, plan: str) -> dict[int, str]:
    """The entries of a journal, if it is of the same plan."""
    if not path.is_file():
        return {}
    text = path.read_bytes()
    if text[:HEAD] != f"{plan}\n".encode():
        return {}
    lines = (LINE.fullmatch(line) for line in text[HEAD:].splitlines(keepends=True))
    return {int(line[1]): line[2].decode() for line in lines if line}
