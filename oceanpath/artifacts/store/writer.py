"""Writing of a store: all positions are determined in advance, so bags can be written in any order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from oceanpath.artifacts.store.reader import (
    COORD_ALIGN,
    COORD_BYTES,
    PAGE,
    Index,
    chunk_name,
    referenced_digest,
    stored_dtype,
)
from oceanpath.errors import StageError

READ_BYTES = 1 << 20
Flags = Sequence[bool] | NDArray[np.bool_] | None


@dataclass(frozen=True)
class StoreLayout:
    """Position of each bag: arrays with one entry per slide, offsets in bytes from the start of the slide's chunk."""

    lengths: NDArray[np.int64]
    chunk_ids: NDArray[np.int64]
    feature_offsets: NDArray[np.int64]
    """-1 for a bag whose features are read in place."""
    coord_offsets: NDArray[np.int64]
    dim: int
    dtype: str
    has_coords: bool

    @classmethod
    def of(
        cls, lengths: Sequence[int], dim: int, dtype: str, has_coords: bool, chunk_bytes: int, adopted: Flags = None
    ) -> StoreLayout:
        """Arrange bags of `lengths` patches one after the other, each at the start of a page, none across two chunks.

        The features of `adopted` (referenced) bags take no space; their coordinates do.
        """
        n, row = np.array(lengths, np.int64), dim * stored_dtype(dtype).itemsize
        stays = np.zeros(len(n), bool) if adopted is None else np.asarray(adopted, bool)
        features, coords = padded(np.where(stays, 0, n * row), PAGE), padded(n * COORD_BYTES, COORD_ALIGN)
        ends, starts = np.cumsum(features), [0]
        while starts[-1] < len(n):
            begun = int(ends[starts[-1]] - features[starts[-1]])
            fit = int(np.searchsorted(ends, begun + chunk_bytes, side="right"))
            starts.append(max(fit, starts[-1] + 1))  # a bag larger than a chunk has a chunk of its own
        chunks = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        feature_offsets, coord_offsets = (_within(sizes, starts, chunks) for sizes in (features, coords))
        feature_offsets[stays] = -1
        return cls(n, chunks, feature_offsets, coord_offsets, dim, dtype, has_coords)

    def behind(self, chunks: int) -> StoreLayout:
        """The same bags in chunks after `chunks` others."""
        return replace(self, chunk_ids=self.chunk_ids + chunks)

    def index(
        self,
        slide_ids: Sequence[str],
        digests: Sequence[bytes],
        raw_lengths: Sequence[int],
        patch_px_level0: Sequence[float],
        encoder: str,
    ) -> Index:
        """The index of a store with this layout, given the properties of its bags, one entry per slide."""
        return Index(
            slide_ids=np.array([name.encode() for name in slide_ids], "S"),
            lengths=self.lengths,
            raw_lengths=np.array(raw_lengths, np.int64),
            chunk_ids=self.chunk_ids,
            feature_offsets=self.feature_offsets,
            coord_offsets=self.coord_offsets,
            digests=np.array(digests, "S"),
            patch_px_level0=np.array(patch_px_level0, np.float64),
            feature_dim=self.dim,
            feature_dtype=self.dtype,
            has_coords=self.has_coords,
            encoder=encoder,
        )

    @property
    def row_bytes(self) -> int:
        """Bytes per row of features."""
        return self.dim * stored_dtype(self.dtype).itemsize

    def chunk_sizes(self, kind: str) -> NDArray[np.int64]:
        """Bytes of each chunk file of ``features`` or ``coords``; 0 if there is none."""
        of_features = kind == "features"
        offsets = self.feature_offsets if of_features else self.coord_offsets
        row, align = (self.row_bytes, PAGE) if of_features else (COORD_BYTES, COORD_ALIGN)
        sizes = np.zeros(int(self.chunk_ids.max(initial=-1)) + 1, np.int64)
        np.maximum.at(sizes, self.chunk_ids, np.where(offsets < 0, 0, offsets + padded(self.lengths * row, align)))
        return sizes


class StoreWriter:
    """Open chunk files of one store. `put` may be called from several threads."""

    def __init__(self, out: Path, layout: StoreLayout, *, resumes: bool = False) -> None:
        """Reserve the space of all chunks; with `resumes` they may exist already.

        Raises: StageError: the disk is full.
        """
        self.layout = layout
        self._files: dict[tuple[str, int], int] = {}
        for kind in ("features", "coords") if layout.has_coords else ("features",):
            for chunk, size in enumerate(layout.chunk_sizes(kind).tolist()):
                if not size:
                    continue
                flags = os.O_RDWR | os.O_CREAT | (0 if resumes else os.O_EXCL)
                handle = os.open(out / chunk_name(kind, chunk), flags, 0o644)
                self._files[kind, chunk] = handle
                _reserve(handle, size)

    def put(self, i: int, features: NDArray[Any], coords: NDArray[np.int32] | None) -> str:
        """Write the bag of slide `i`: features [n, D], coords [n, 2]. Returns the bag's digest. See `stream`."""
        return self.stream(i, [features], coords)

    def stream(self, i: int, blocks: Iterable[NDArray[Any]], coords: NDArray[np.int32] | None) -> str:
        """Write the bag of slide `i` from blocks of features [m, D], n rows in total, and coords [n, 2].

        Returns the bag's digest.

        Raises: StageError: the disk is full or fails. ValueError: more or fewer rows than in the layout.
        """
        chunk, place = int(self.layout.chunk_ids[i]), int(self.layout.feature_offsets[i])
        end = place + int(self.layout.lengths[i]) * self.layout.row_bytes
        digest = xxhash.xxh3_128()
        for block in blocks:
            if not len(block):  # no row of this block was selected
                continue
            rows = np.ascontiguousarray(block).data.cast("B")
            if place + len(rows) > end:
                raise ValueError(f"slide {i} has more rows than the layout")
            digest.update(rows)
            _write(self._files["features", chunk], rows, place)
            place += len(rows)
        if place != end:
            raise ValueError(f"slide {i} has fewer rows than the layout")
        if coords is not None:
            digest.update(self._put_coords(i, coords))
        return digest.hexdigest()

    def reference(self, i: int, file: str, coords: NDArray[np.int32] | None) -> str:
        """Write the coords [n, 2] of slide `i`, whose features are in the file of hex digest `file`.

        Returns the bag's digest. Raises: StageError: the disk is full or fails.
        """
        if coords is not None:
            self._put_coords(i, coords)
        return referenced_digest(file, coords)

    def reread(self, i: int) -> str:
        """The digest of the bytes at the position of slide `i`: that of `stream` if the bag was written.

        Raises: OSError: the disk fails.
        """
        chunk, n, digest = int(self.layout.chunk_ids[i]), int(self.layout.lengths[i]), xxhash.xxh3_128()
        places = [("features", int(self.layout.feature_offsets[i]), n * self.layout.row_bytes)]
        if self.layout.has_coords:
            places.append(("coords", int(self.layout.coord_offsets[i]), n * COORD_BYTES))
        for kind, start, size in places:
            for offset in range(start, start + size, READ_BYTES):
                count = min(READ_BYTES, start + size - offset)
                digest.update(os.pread(self._files[kind, chunk], count, offset))
        return digest.hexdigest()

    def _put_coords(self, i: int, coords: NDArray[np.int32]) -> memoryview:
        rows = np.ascontiguousarray(coords).data.cast("B")
        _write(self._files["coords", int(self.layout.chunk_ids[i])], rows, int(self.layout.coord_offsets[i]))
        return rows

    def close(self) -> None:
        """Close the chunk files."""
        for handle in self._files.values():
            os.close(handle)
        self._files.clear()


def _write(handle: int, left: memoryview, offset: int) -> None:
    """Write `left` at `offset`; one pwrite transfers at most 2 GiB. Raises: StageError: the disk is full or fails."""
    while left:
        with _failing_disk():
            done = os.pwrite(handle, left, offset)
        left, offset = left[done:], offset + done


def _reserve(handle: int, size: int) -> None:
    """Set the size of a new file and allocate its blocks if the system supports it, so that a full disk fails now."""
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
        do = "Nothing was published. Free disk space, or set another --workspace, and start again."
        raise StageError("the store cannot be written", got=error.strerror, do=do) from error


def padded(sizes: NDArray[np.int64], align: int) -> NDArray[np.int64]:
    """Each of `sizes`, rounded up to a multiple of `align`."""
    whole: NDArray[np.int64] = -(-sizes // align) * align
    return whole


def _within(sizes: NDArray[np.int64], starts: list[int], chunks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Offset of each of `sizes` bytes in its chunk, where chunk k begins with slide `starts[k]`."""
    begins = np.cumsum(sizes) - sizes
    offsets: NDArray[np.int64] = begins - begins[starts[:-1]][chunks]
    return offsets
