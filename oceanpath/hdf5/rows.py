"""Rows of an HDF5 dataset in blocks, read without the library and its lock if the layout allows it.

contiguous, or chunks of whole rows without filters   `Runs`: bytes read directly from the file
chunks with deflate, also after shuffle               `Tiles`: stored bytes read and decompressed here
anything else                                         read by the library in its child process
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.hdf5.byte_runs import Runs, fill
from oceanpath.hdf5.chunks import Chunks, tree_chunks
from oceanpath.hdf5.headers import Header

Rows = NDArray[Any]
BLOCK_BYTES = 4 << 20
"""Large enough that the overhead per block is negligible, small compared with a slide."""
TILES_BYTES = 1 << 20
"""Bytes decompressed at a time: small enough that the allocator reuses the same memory for every slide."""
DEFLATE, SHUFFLE = 1, 2
INFLATABLE = ((DEFLATE,), (SHUFFLE, DEFLATE))


@dataclass(frozen=True)
class Tiles:
    """A dataset of compressed chunks."""

    shape: tuple[int, ...]
    sides: tuple[int, ...]
    dtype: np.dtype[Any]
    filters: tuple[int, ...]
    chunks: Chunks


ReadMethod = Runs | Tiles
"""A description of how to read the rows of a dataset without the library."""


def method_from_header(header: Header, handle: int) -> ReadMethod | None:
    """How to read a dataset whose header was read without the library; None if only the library can."""
    if header.chunks is None:
        size = np.array([math.prod(header.shape) * header.dtype.itemsize], np.int64)
        return Runs(np.array([header.address], np.int64), size, size)
    if header.filters and header.filters not in INFLATABLE:
        return None
    chunks = tree_chunks(header.address, header.shape, header.chunks, handle)
    return None if chunks is None else chunked_method(header.shape, header.chunks, header.dtype, header.filters, chunks)


def chunked_method(
    shape: tuple[int, ...], sides: tuple[int, ...], dtype: np.dtype[Any], filters: tuple[int, ...], chunks: Chunks
) -> ReadMethod | None:
    """How to read a dataset with these chunks and filters; None if only the library can."""
    if any(side != 1 for side in sides[:-2]):
        return None
    if filters:
        return Tiles(shape, sides, dtype, filters, chunks) if filters in INFLATABLE else None
    size = math.prod(sides) * dtype.itemsize
    if sides[-1] != shape[-1] or (chunks.sizes != size).any():
        return None
    sizes = chunks.sizes.copy()
    sizes[-1] -= int(sizes.sum()) - math.prod(shape) * dtype.itemsize  # the last chunk is stored whole
    return Runs.of(chunks.addresses, sizes)


def stored_bytes(method: ReadMethod) -> int:
    """Stored bytes of a dataset."""
    return method.nbytes if isinstance(method, Runs) else int(method.chunks.sizes.sum())


def block_rows(row_bytes: int) -> int:
    """Number of rows of `row_bytes` bytes that have about `BLOCK_BYTES`; at least 1."""
    return max(1, BLOCK_BYTES // max(1, row_bytes))


def table_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """(N, D) of an array [N, D] or [1, N, D]; an array [D] is one row."""
    return (1, shape[0]) if len(shape) == 1 else (shape[-2], shape[-1])


def read_blocks(
    method: ReadMethod, handle: int, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int = 0
) -> Iterator[Rows]:
    """Blocks [m, D] of the rows of a dataset [N, D], [1, N, D] or [D]; each may overwrite the previous one.

    `rows` is the number of rows of a block that is not compressed, as of `run_blocks`.

    Raises: EOFError, ValueError: the file is damaged.
    """
    if isinstance(method, Runs):
        return run_blocks(method, handle, table_shape(shape), dtype, rows)
    return _from_tiles(method, handle)


def run_blocks(runs: Runs, handle: int, shape: tuple[int, int], dtype: np.dtype[Any], rows: int = 0) -> Iterator[Rows]:
    """Blocks [m, D] of an array of `shape` [N, D] with the bytes `runs`; each may overwrite the previous one.

    All but the last have `rows` rows; default: as many as have `BLOCK_BYTES`.
    """
    n, dim = shape
    if not n:
        return
    rows = rows or block_rows(dim * dtype.itemsize)
    block = np.empty((min(rows, n), dim), dtype)
    raw, row = block.data.cast("B"), dim * dtype.itemsize
    for start in range(0, n, rows):
        count = min(rows, n - start)
        runs.read_into(handle, start * row, raw[: count * row])
        yield block[:count]


def _from_tiles(tiles: Tiles, handle: int) -> Iterator[Rows]:
    """Blocks of whole bands of chunks: all chunks of a block are decompressed, then copied in order."""
    (n, dim), (high, wide), dtype = tiles.shape[-2:], tiles.sides[-2:], tiles.dtype
    across = -(-dim // wide)
    bands = max(1, TILES_BYTES // (high * across * wide * dtype.itemsize))
    size, count = high * wide * dtype.itemsize, len(tiles.chunks.addresses)
    raw = np.empty((min(bands * across, count), size), np.uint8)
    block = np.empty((bands * high, across * wide), dtype)
    packed = Packed(handle)
    for first in range(0, count, bands * across):
        which = slice(first, min(first + bands * across, count))
        here = raw[: which.stop - first]
        if tiles.chunks.masks[which].any():
            _inflate_one_by_one(tiles, which, packed, here)
        else:
            _inflate(packed.read(tiles.chunks, which), here)
            if SHUFFLE in tiles.filters:
                here = _unshuffled(here, dtype.itemsize)
        rows = len(here) // across * high
        placed = here.view(dtype).reshape(-1, across, high, wide).swapaxes(1, 2)
        block[:rows].reshape(-1, high, across, wide)[...] = placed
        start = first // across * high
        yield block[: min(rows, n - start), :dim]


class Packed:
    """The stored bytes of compressed chunks, in reused memory: allocating new pages takes longer than reading."""

    def __init__(self, handle: int) -> None:
        self._handle, self._memory = handle, memoryview(b"")

    def read(self, chunks: Chunks, which: slice) -> list[memoryview]:
        """The bytes of each chunk, with one read for neighbouring chunks; the next call overwrites them.

        Raises: EOFError: the file is truncated.
        """
        addresses, sizes = chunks.addresses[which], chunks.sizes[which]
        start, stop = int(addresses.min()), int((addresses + sizes).max())
        if stop > os.fstat(self._handle).st_size:
            raise EOFError(f"the file ends before {stop}")
        if stop - start > 2 * int(sizes.sum()):
            pairs = zip(addresses.tolist(), sizes.tolist(), strict=True)
            return [memoryview(os.pread(self._handle, size, address)) for address, size in pairs]
        if stop - start > len(self._memory):
            self._memory = np.empty(max(stop - start, TILES_BYTES), np.uint8).data
        raw = self._memory[: stop - start]
        fill(self._handle, raw, start)
        return [raw[a : a + size] for a, size in zip((addresses - start).tolist(), sizes.tolist(), strict=True)]


def _inflate(stored: list[memoryview], out: NDArray[np.uint8]) -> None:
    """Decompress each chunk into its row of `out`. Raises: ValueError: one is damaged."""
    from imagecodecs import DeflateError, deflate_decode  # libdeflate; only files with filters need it

    for raw, row in zip(stored, out, strict=True):
        try:
            got = deflate_decode(raw, out=row)  # type: ignore[arg-type]  # it takes any buffer
        except DeflateError as error:
            raise ValueError(f"a compressed chunk is damaged: {error}") from error
        if len(got) != len(row):
            raise ValueError(f"a compressed chunk has {len(got)} bytes, not {len(row)}")


def _unshuffled(raw: NDArray[np.uint8], itemsize: int) -> NDArray[np.uint8]:
    """Inverse of the shuffle filter, which stores the first bytes of all values, then the second, and so on."""
    return np.ascontiguousarray(raw.reshape(len(raw), itemsize, -1).swapaxes(1, 2)).reshape(raw.shape)


def _inflate_one_by_one(tiles: Tiles, which: slice, packed: Packed, out: NDArray[np.uint8]) -> None:
    """`_unshuffle` for chunks with skipped filters; bit i of a mask is set if filter i was skipped."""
    masks = tiles.chunks.masks[which].tolist()
    for stored, mask, row in zip(packed.read(tiles.chunks, which), masks, out, strict=True):
        left_out = {number for place, number in enumerate(tiles.filters) if mask >> place & 1}
        if DEFLATE in left_out:
            row[:] = np.frombuffer(stored, np.uint8)
        else:
            _inflate([stored], row[None])
        if SHUFFLE in set(tiles.filters) - left_out:
            row[:] = _unshuffled(row[None], tiles.dtype.itemsize)[0]
