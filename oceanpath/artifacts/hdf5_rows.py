"""The rows of an HDF5 dataset in blocks, read past the library and its lock where the file's layout allows it.

contiguous, or chunks of whole rows without filters   bytes fetched straight from their places in the file
chunks with deflate, also after shuffle               stored bytes fetched, inflated here
anything else                                         h5py, block by block
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.byte_runs import Runs, fill
from oceanpath.artifacts.hdf5_chunks import Chunks, find_chunks, tree_chunks
from oceanpath.artifacts.hdf5_headers import Header

Rows = NDArray[Any]
BLOCK_BYTES = 4 << 20
"""Large enough that what a block costs beside its bytes does not count, small beside a slide."""
TILES_BYTES = 1 << 20
"""What is inflated at once: small enough that the allocator hands the same warm memory out for every slide."""
SHUFFLE, DEFLATE = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE
INFLATABLE = ((DEFLATE,), (SHUFFLE, DEFLATE))


def row_blocks(dataset: Any, handle: int) -> Iterator[Rows]:
    """Blocks [m, D] of the rows of a dataset [N, D] or [1, N, D], in order, as stored.

    A block is overwritten by the next one. `handle` is a descriptor of the same file.

    Raises: OSError, EOFError, ValueError: the file is damaged.
    """
    runs = row_runs(dataset, handle)
    if runs is not None:
        return run_blocks(runs, handle, dataset.shape[-2:], dataset.dtype)
    n, dim = dataset.shape[-2:]
    rows = max(1, BLOCK_BYTES // max(1, dim * dataset.dtype.itemsize))
    filters = _inflatable(dataset)
    chunks = find_chunks(dataset, handle) if filters is not None else None
    if chunks is not None and filters is not None:
        return _from_tiles(Tiles(dataset.shape, dataset.chunks, dataset.dtype, filters, chunks), handle)
    return _from_library(dataset, n, rows)


@dataclass(frozen=True)
class Tiles:
    """A dataset of compressed chunks."""

    shape: tuple[int, ...]
    sides: tuple[int, ...]
    dtype: np.dtype[Any]
    filters: tuple[int, ...]
    chunks: Chunks


def header_blocks(header: Header, runs: Runs | None, handle: int) -> Callable[[], Iterator[Rows]] | None:
    """A way to `row_blocks` of a dataset whose header was read without the library; None when only that can read it.

    `runs` are its `header_runs`.
    """
    if runs is not None:
        return lambda: run_blocks(runs, handle, (header.shape[-2], header.shape[-1]), header.dtype)
    if header.chunks is None or header.filters not in INFLATABLE or any(side != 1 for side in header.chunks[:-2]):
        return None
    chunks = tree_chunks(header.address, header.shape, header.chunks, handle)
    if chunks is None:
        return None
    tiles = Tiles(header.shape, header.chunks, header.dtype, header.filters, chunks)
    return lambda: _from_tiles(tiles, handle)


def run_blocks(runs: Runs, handle: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> Iterator[Rows]:
    """Blocks [m, D] of the rows of an array of `shape` [N, D] whose bytes are `runs`; the next block overwrites one."""
    n, dim = shape
    rows = max(1, BLOCK_BYTES // max(1, dim * dtype.itemsize))
    block = np.empty((min(rows, n), dim), dtype)
    raw, row = block.data.cast("B"), dim * dtype.itemsize
    for start in range(0, n, rows):
        count = min(rows, n - start)
        runs.read_into(handle, start * row, raw[: count * row])
        yield block[:count]


def row_runs(dataset: Any, handle: int) -> Runs | None:
    """The bytes of a dataset's rows in its file; None when they are not stored there as numpy would hold them."""
    if not _plain(dataset) or dataset.id.get_create_plist().get_nfilters():
        return None
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        size = np.array([dataset.nbytes], np.int64)
        return None if offset is None else Runs(np.array([offset], np.int64), size, size)
    if not _of_whole_rows(dataset.chunks, dataset.shape):
        return None
    return _joined(find_chunks(dataset, handle), math.prod(dataset.chunks) * dataset.dtype.itemsize, dataset.nbytes)


def header_runs(header: Header, handle: int) -> Runs | None:
    """The same as `row_runs`, of a dataset whose header was read without the library."""
    nbytes = math.prod(header.shape) * header.dtype.itemsize
    if header.filters:
        return None
    if header.chunks is None:
        size = np.array([nbytes], np.int64)
        return Runs(np.array([header.address], np.int64), size, size)
    if not _of_whole_rows(header.chunks, header.shape):
        return None
    chunks = tree_chunks(header.address, header.shape, header.chunks, handle)
    return _joined(chunks, math.prod(header.chunks) * header.dtype.itemsize, nbytes)


def _of_whole_rows(chunks: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return chunks[-1] == shape[-1] and all(side == 1 for side in chunks[:-2])


def _joined(chunks: Chunks | None, size: int, nbytes: int) -> Runs | None:
    """The runs of unfiltered chunks of `size` bytes that hold `nbytes` together."""
    if chunks is None or (chunks.sizes != size).any():
        return None
    sizes = chunks.sizes.copy()
    sizes[-1] -= int(sizes.sum()) - nbytes  # the last chunk is stored whole
    return Runs.of(chunks.addresses, sizes)


def _plain(dataset: Any) -> bool:
    """Whether the dataset's values lie in this file, as numpy would hold them."""
    file, plist = dataset.file.id.get_create_plist(), dataset.id.get_create_plist()
    same_type = dataset.dtype.isnative and dataset.id.get_type().equal(h5py.h5t.py_create(dataset.dtype))
    in_file = not plist.get_external_count() and plist.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
    two_dimensional = len(dataset.shape) == 2 or (len(dataset.shape) == 3 and dataset.shape[0] == 1)
    ordinary = file.get_userblock() == 0 and file.get_sizes() == (8, 8)
    return bool(same_type and in_file and two_dimensional and ordinary and dataset.size)


def _inflatable(dataset: Any) -> tuple[int, ...] | None:
    """The filters of a dataset, if this module can undo them."""
    if dataset.chunks is None or not _plain(dataset) or any(c != 1 for c in dataset.chunks[:-2]):
        return None
    plist = dataset.id.get_create_plist()
    filters = tuple(plist.get_filter(i)[0] for i in range(plist.get_nfilters()))
    return filters if filters in INFLATABLE else None


def _from_tiles(tiles: Tiles, handle: int) -> Iterator[Rows]:
    """Blocks of whole bands of chunks: all chunks of a block are inflated side by side, then put in their places."""
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
    """The stored bytes of compressed chunks, in memory that is used again: fresh pages take longer than the bytes."""

    def __init__(self, handle: int) -> None:
        self._handle, self._room = handle, memoryview(b"")

    def read(self, chunks: Chunks, which: slice) -> list[memoryview]:
        """Each of some chunks, by one call where they lie close together; overwritten by the next reading.

        Raises: EOFError: the file is cut off.
        """
        addresses, sizes = chunks.addresses[which], chunks.sizes[which]
        start, stop = int(addresses.min()), int((addresses + sizes).max())
        if stop > os.fstat(self._handle).st_size:
            raise EOFError(f"the file ends before {stop}")
        if stop - start > 2 * int(sizes.sum()):
            pairs = zip(addresses.tolist(), sizes.tolist(), strict=True)
            return [memoryview(os.pread(self._handle, size, address)) for address, size in pairs]
        if stop - start > len(self._room):
            self._room = np.empty(max(stop - start, TILES_BYTES), np.uint8).data
        raw = self._room[: stop - start]
        fill(self._handle, raw, start)
        return [raw[a : a + size] for a, size in zip((addresses - start).tolist(), sizes.tolist(), strict=True)]


def _inflate(stored: list[memoryview], out: NDArray[np.uint8]) -> None:
    """Inflate each chunk into its row of `out`. Raises: ValueError: one is damaged."""
    from imagecodecs import DeflateError, deflate_decode  # libdeflate; only files with filters need it

    for raw, room in zip(stored, out, strict=True):
        try:
            got = deflate_decode(raw, out=room)  # type: ignore[arg-type]  # it takes any buffer
        except DeflateError as error:
            raise ValueError(f"a compressed chunk is damaged: {error}") from error
        if len(got) != len(room):
            raise ValueError(f"a compressed chunk holds {len(got)} bytes, not {len(room)}")


def _unshuffled(raw: NDArray[np.uint8], itemsize: int) -> NDArray[np.uint8]:
    """Rows of bytes in which the first bytes of all values came first, then the second, and so on."""
    return np.ascontiguousarray(raw.reshape(len(raw), itemsize, -1).swapaxes(1, 2)).reshape(raw.shape)


def _inflate_one_by_one(tiles: Tiles, which: slice, packed: Packed, out: NDArray[np.uint8]) -> None:
    """The same where some chunks went through some filters only; bit i of a mask is set where filter i was left out."""
    masks = tiles.chunks.masks[which].tolist()
    for stored, mask, room in zip(packed.read(tiles.chunks, which), masks, out, strict=True):
        left_out = {number for place, number in enumerate(tiles.filters) if mask >> place & 1}
        if DEFLATE in left_out:
            room[:] = np.frombuffer(stored, np.uint8)
        else:
            _inflate([stored], room[None])
        if SHUFFLE in set(tiles.filters) - left_out:
            room[:] = _unshuffled(room[None], tiles.dtype.itemsize)[0]


def _from_library(dataset: Any, n: int, rows: int) -> Iterator[Rows]:
    if dataset.chunks:  # whole chunks: none is read twice
        rows = max(1, rows // dataset.chunks[-2]) * dataset.chunks[-2]
    for start in range(0, n, rows):
        yield np.asarray(dataset[..., start : start + rows, :]).reshape(-1, dataset.shape[-1])
