"""Locations of the chunks of an HDF5 dataset in its file, from its version 1 B-tree.

A library call per chunk costs more than reading the features of a patch, and TRIDENT writes one chunk per patch.
Therefore this index ("HDF5 File Format Specification 3.0", III.A.1) is read here, node by node. Anything unexpected
returns None, and the library is used instead. Reading always ends: no node is read twice, and no more chunks are
accepted than the dataset has.
"""

from __future__ import annotations

import math
import os
import struct
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sides = tuple[int, ...]
UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF
NODE_HEAD = struct.Struct("<4sBBHQQ")
"""Signature, node type, level, entries used, left sibling, right sibling."""
MAX_READ_BYTES = 1 << 24
"""Bytes of an index per read; a node has at most 65,535 entries."""
FIRST_READ = 64
"""Children of a node per read; twice the default K."""


@dataclass(frozen=True)
class Chunks:
    """All chunks of a dataset in row-major order."""

    addresses: NDArray[np.int64]
    """[k]: bytes from the start of the file."""
    sizes: NDArray[np.int64]
    """[k]: stored bytes, after filters."""
    masks: NDArray[np.int64]
    """[k]: bit i is set if filter i was skipped."""


def tree_chunks(root: int, shape: Sides, sides: Sides, handle: int) -> Chunks | None:
    """The chunks of a dataset whose version 1 B-tree starts at `root`; None if some are missing or it is damaged."""
    rank, count = len(shape), math.prod(grid_of(shape, sides))
    entry = np.dtype([("size", "<u4"), ("mask", "<u4"), ("start", "<i8", (rank + 1,)), ("address", "<i8")])
    level, node, held = -1, root, 0
    seen: set[int] = set()
    leaves: list[bytes] = []
    while node != UNDEFINED:
        read = _node(handle, node, entry.itemsize)
        if read is None or node in seen:
            return None
        seen.add(node)
        level, following, body = read
        if level:
            node = int(np.frombuffer(body, entry, 1)["address"][0]) & UNDEFINED
            continue
        leaves.append(body)
        held += len(body) // entry.itemsize
        if held > count:
            return None
        node = following
    if level != 0:
        return None
    table = np.frombuffer(b"".join(leaves), entry)
    sizes, masks = table["size"].astype(np.int64), table["mask"].astype(np.int64)
    return in_order(table["start"][:, :-1], Chunks(table["address"], sizes, masks), shape, sides)


def grid_of(shape: Sides, sides: Sides) -> list[int]:
    """Number of chunks along each axis."""
    return [-(-n // c) if c else 0 for n, c in zip(shape, sides, strict=True)]


def in_order(starts: NDArray[np.int64], chunks: Chunks, shape: Sides, sides: Sides) -> Chunks | None:
    """The chunks with first indices `starts` [k, rank], in row-major order; None if some are missing."""
    grid = grid_of(shape, sides)
    if len(chunks.addresses) != math.prod(grid) or (chunks.addresses < 0).any():
        return None
    wanted = np.indices(grid).reshape(len(grid), -1).T * np.array(sides)
    if np.array_equal(starts, wanted):  # a tree is sorted, other indices may not be
        return chunks
    order = np.lexsort(starts.T[::-1])
    if not np.array_equal(starts[order], wanted):
        return None
    return Chunks(chunks.addresses[order], chunks.sizes[order], chunks.masks[order])


def _node(handle: int, address: int, entry: int) -> tuple[int, int, bytes] | None:
    """Level, address of the right sibling and the entries of a node of a chunk index."""
    raw = file_bytes(handle, NODE_HEAD.size + FIRST_READ * entry, address)
    if len(raw) < NODE_HEAD.size:
        return None
    signature, kind, level, used, _, following = NODE_HEAD.unpack_from(raw)
    if signature != b"TREE" or kind != 1 or not used:
        return None
    if used > FIRST_READ:
        raw = file_bytes(handle, NODE_HEAD.size + used * entry, address)
    body = raw[NODE_HEAD.size : NODE_HEAD.size + used * entry]
    return (level, following, body) if len(body) == used * entry else None


def file_bytes(handle: int, size: int, address: int) -> bytes:
    """Up to `size` bytes of the file; none if the address is outside it."""
    return os.pread(handle, min(size, MAX_READ_BYTES), address) if address <= sys.maxsize else b""
