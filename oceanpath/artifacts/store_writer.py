"""Writing a store: every bag's place is known before the first byte, so bags can be written in any order at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from oceanpath.artifacts.store import COORD_BYTES, PAGE, chunk_name
from oceanpath.errors import StageError


@dataclass(frozen=True)
class Layout:
    """Where each bag lies: arrays with one entry a slide, offsets in bytes from the start of the slide's chunk."""

    lengths: NDArray[np.int64]
    chunk_ids: NDArray[np.int64]
    feature_offsets: NDArray[np.int64]
    coord_offsets: NDArray[np.int64]
    dim: int
    dtype: str
    has_coords: bool

    @classmethod
    def of(cls, lengths: Sequence[int], dim: int, dtype: str, has_coords: bool, chunk_bytes: int) -> Layout:
        """Lay bags of `lengths` patches one behind the other, each from a page's start, none across two chunks."""
        row = dim * np.dtype(dtype).itemsize
        chunk, feature_end, coord_end = 0, 0, 0
        places = np.zeros((3, len(lengths)), np.int64)
        for i, length in enumerate(lengths):
            size = _pages(length * row)
            if feature_end and feature_end + size > chunk_bytes:
                chunk, feature_end, coord_end = chunk + 1, 0, 0
            places[:, i] = chunk, feature_end, coord_end
            feature_end, coord_end = feature_end + size, coord_end + _pages(length * COORD_BYTES)
        chunks, features, coords = places
        return cls(np.array(lengths, np.int64), chunks, features, coords, dim, dtype, has_coords)

    @property
    def row_bytes(self) -> int:
        """Bytes of the features of a patch."""
        return self.dim * np.dtype(self.dtype).itemsize

    def chunk_sizes(self, kind: str) -> list[int]:
        """Bytes of each chunk file of ``features`` or ``coords``."""
        row = self.row_bytes if kind == "features" else COORD_BYTES
        offsets = self.feature_offsets if kind == "features" else self.coord_offsets
        ends = offsets + np.array([_pages(int(length) * row) for length in self.lengths], np.int64)
        return [int(ends[self.chunk_ids == chunk].max()) for chunk in range(int(self.chunk_ids.max()) + 1)]


class StoreWriter:
    """Open chunk files of one store. `put` may be called from several threads."""

    def __init__(self, out: Path, layout: Layout) -> None:
        """Reserves the room of all chunks. Raises: StageError: the disk has not that much."""
        self.layout = layout
        self._files: dict[tuple[str, int], int] = {}
        for kind in ("features", "coords") if layout.has_coords else ("features",):
            for chunk, size in enumerate(layout.chunk_sizes(kind)):
                handle = os.open(out / chunk_name(kind, chunk), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
                self._files[kind, chunk] = handle
                _reserve(handle, size)

    def put(self, i: int, features: NDArray[np.floating], coords: NDArray[np.int32] | None) -> str:
        """Write the bag of slide `i`: features [n, D], coords [n, 2]. Returns the bag's digest. See `stream`."""
        return self.stream(i, [features], coords)

    def stream(self, i: int, blocks: Iterable[NDArray[np.floating]], coords: NDArray[np.int32] | None) -> str:
        """Write the bag of slide `i` while its features come in: blocks [m, D] that are n rows together, coords [n, 2].

        Returns the bag's digest.

        Raises: StageError: the disk is full or fails. ValueError: more or fewer rows than the layout has room for.
        """
        chunk, place = int(self.layout.chunk_ids[i]), int(self.layout.feature_offsets[i])
        end = place + int(self.layout.lengths[i]) * self.layout.row_bytes
        digest = xxhash.xxh3_128()
        for block in blocks:
            if not len(block):  # none of its rows was chosen
                continue
            rows = np.ascontiguousarray(block).data.cast("B")
            if place + len(rows) > end:
                raise ValueError(f"slide {i} has more rows than its place")
            digest.update(rows)
            _write(self._files["features", chunk], rows, place)
            place += len(rows)
        if place != end:
            raise ValueError(f"slide {i} has fewer rows than its place")
        if coords is not None:
            rows = np.ascontiguousarray(coords).data.cast("B")
            digest.update(rows)
            _write(self._files["coords", chunk], rows, int(self.layout.coord_offsets[i]))
        return digest.hexdigest()

    def close(self) -> None:
        """Close the chunk files."""
        for handle in self._files.values():
            os.close(handle)
        self._files.clear()


def _write(handle: int, left: memoryview, offset: int) -> None:
    """All of `left` at `offset`: one pwrite moves at most 2 GiB. Raises: StageError: the disk is full or fails."""
    while left:
        with _failing_disk():
            done = os.pwrite(handle, left, offset)
        left, offset = left[done:], offset + done


def _reserve(handle: int, size: int) -> None:
    """Give a new file its size, and its blocks where the system can: a full disk shows now, and writing is faster."""
    with _failing_disk():
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, size)
        else:
            os.truncate(handle, size)


@contextmanager
def _failing_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        do = "Nothing was published. Make room, or set another --workspace, and start again."
        raise StageError("the store cannot be written", got=error.strerror, do=do) from error


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE
