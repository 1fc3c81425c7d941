"""What is whole of a build that was killed: one line a bag, which its bytes must agree with before they are kept.

    local/journal.txt   a line of 32 hex digits: what decides every bag and its place (the plan); then of each bag,
                        written after its bytes: its number in the plan and its digest

Nothing here is synced to the disk, and need not be: a bag that a line tells of is read again, and one whose bytes did
not reach the disk is written again. A line that is cut off or garbled tells of no bag.
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
        """Open the journal below `out`, which holds nothing, or what a killed build wrote there.

        Of the latter, all but the chunks of `layout` is removed, and these too unless that build had the same `plan`.

        Raises: OSError: the disk refuses.
        """
        self.told: Mapping[int, str] = _told(out / JOURNAL, plan)
        """Number of a bag → its digest, if it is there."""
        kept = {out / JOURNAL, *(out / name for name in (_chunks(layout) if self.told else ()))}
        for path in [path for path in out.rglob("*") if path.is_file()]:
            if path not in kept or path.stat().st_nlink > 1:  # a link's bytes are an earlier store's
                path.unlink()
        self._file = _opened(out / JOURNAL, plan, self.told) if plan else None

    def add(self, number: int, digest: str) -> None:
        """A bag is written. Raises: OSError: the disk refuses."""
        if self._file is not None:
            os.write(self._file, f"{number} {digest}\n".encode())

    def close(self) -> None:
        """No more bags come."""
        if self._file is not None:
            os.close(self._file)


def _opened(path: Path, plan: str, told: Mapping[int, str]) -> int:
    """Begin a journal with what an earlier one tells; returns its descriptor.

    Killed at any point of this, the earlier one is there.
    """
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text("".join((f"{plan}\n", *(f"{number} {digest}\n" for number, digest in told.items()))))
    fresh.replace(path)
    return os.open(path, os.O_WRONLY | os.O_APPEND)


def plan_digest(layout: StoreLayout, slides: list[tuple[str, str]], recipe: str) -> str:
    """32 hex digits of what decides every bag and its place: `slides` are (slide id, digest of the file's bytes).

    Nothing, which is the plan of no journal, where nobody has told the digest of a file.
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
    """Names of all files that a writer of a layout makes."""
    sizes = {kind: layout.chunk_sizes(kind).tolist() for kind in ("features", "coords")}
    return {chunk_name(kind, chunk) for kind, found in sizes.items() for chunk, size in enumerate(found) if size}


def _told(path: Path, plan: str) -> dict[int, str]:
    """What a journal tells of the same plan, line by line."""
    if not path.is_file():
        return {}
    text = path.read_bytes()
    if text[:HEAD] != f"{plan}\n".encode():
        return {}
    found = (LINE.fullmatch(line) for line in text[HEAD:].splitlines(keepends=True))
    return {int(line[1]): line[2].decode() for line in found if line}
