"""The rows of an HDF5 dataset in blocks, read past the library and its lock where the file's layout allows it.

contiguous, or chunks of whole rows without filters   bytes fetched straight from their places in the file
chunks with deflate, also after shuffle               stored bytes fetched, inflated here
anything else                                         h5py, block by block
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.byte_runs import Runs
from oceanpath.artifacts.hdf5_chunks import Chunks, find_chunks, tree_chunks
from oceanpath.artifacts.hdf5_headers import Header

Rows = NDArray[Any]
BLOCK_BYTES = 4 << 20
"""Large enough that what a block costs beside its bytes does not count, small beside a slide."""
SHUFFLE, DEFLATE = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE


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
        return _from_tiles(dataset, chunks, handle, filters, rows)
    return _from_library(dataset, n, rows)


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
    if header.filtered:
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


def _inflatable(dataset: Any) -> list[int] | None:
    """The filters of a dataset, if this module can undo them."""
    if dataset.chunks is None or not _plain(dataset) or any(c != 1 for c in dataset.chunks[:-2]):
        return None
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    return filters if filters in ([DEFLATE], [SHUFFLE, DEFLATE]) else None


def _from_tiles(dataset: Any, chunks: Chunks, handle: int, filters: list[int], rows: int) -> Iterator[Rows]:
    """Blocks of whole bands of chunks, each chunk inflated and put at its place."""
    (n, dim), (high, wide) = dataset.shape[-2:], dataset.chunks[-2:]
    across = -(-dim // wide)
    bands = max(1, rows // high)
    block = np.empty((bands * high, across * wide), dataset.dtype)
    for first in range(0, len(chunks.addresses), bands * across):
        start = int(chunks.starts[first, -2])
        for k in range(first, min(first + bands * across, len(chunks.addresses))):
            top, left = int(chunks.starts[k, -2]) - start, int(chunks.starts[k, -1])
            stored = os.pread(handle, int(chunks.sizes[k]), int(chunks.addresses[k]))
            tile = _inflate(stored, filters, int(chunks.masks[k]), high * wide, dataset.dtype)
            block[top : top + high, left : left + wide] = tile.reshape(high, wide)
        yield block[: min(bands * high, n - start), :dim]


def _inflate(
    stored: bytes | bytearray, filters: list[int], mask: int, count: int, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """The `count` values of a stored chunk. Raises: ValueError: damaged."""
    from imagecodecs import DeflateError, deflate_decode  # libdeflate; only files with filters need it

    for place in reversed(range(len(filters))):
        if mask >> place & 1:
            continue
        if filters[place] == DEFLATE:
            try:
                stored = deflate_decode(stored, out=count * dtype.itemsize)
            except DeflateError as error:
                raise ValueError(f"a compressed chunk is damaged: {error}") from error
        else:
            stored = np.frombuffer(stored, np.uint8).reshape(dtype.itemsize, -1).T.tobytes()
    return np.frombuffer(stored, dtype, count)


def _from_library(dataset: Any, n: int, rows: int) -> Iterator[Rows]:
    if dataset.chunks:  # whole chunks: none is read twice
        rows = max(1, rows // dataset.chunks[-2]) * dataset.chunks[-2]
    for start in range(0, n, rows):
        yield np.asarray(dataset[..., start : start + rows, :]).reshape(-1, dataset.shape[-1])
