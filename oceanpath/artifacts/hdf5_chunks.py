"""Where the chunks of an HDF5 dataset lie in its file.

A library call per chunk costs more than the features of a patch, and TRIDENT writes one chunk a patch. So the chunk
index of version 1 (a B-tree; "HDF5 File Format Specification 3.0", III.A.1, IV.A.2) is read here, node by node. Every
other index is asked of the library, chunk by chunk. Anything unexpected gives None: then h5py reads the rows.
"""

from __future__ import annotations

import math
import os
import struct
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Sides = tuple[int, ...]
UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF
LAYOUT_MESSAGE, CONTINUATION_MESSAGE = 8, 16
NODE_HEAD = struct.Struct("<4sBBHQQ")
"""Signature, node type, level, entries used, left sibling, right sibling."""
LARGEST = 1 << 24
"""Bytes of an index that are read at once; a node has at most 65,535 entries."""
FIRST_READ = 64
"""Children of a node that are read at once; twice the default K."""


@dataclass(frozen=True)
class Chunks:
    """The chunks of a dataset in row-major order, all of them present."""

    starts: NDArray[np.int64]
    """[k, rank]: first index of each chunk."""
    addresses: NDArray[np.int64]
    """[k]: bytes from the start of the file."""
    sizes: NDArray[np.int64]
    """[k]: stored bytes, after filters."""
    masks: NDArray[np.int64]
    """[k]: bit i is set where filter i was left out."""


def find_chunks(dataset: Any, handle: int) -> Chunks | None:
    """The chunks of an open dataset, or None when some are missing or their index cannot be told.

    `handle` is a descriptor of the same file.
    """
    group = dataset.parent  # asking for the object itself would measure its whole chunk index
    link = group.id.links.get_info(dataset.name.rpartition("/")[2].encode())
    root = _tree_address(link.u, handle) if link.type == h5py.h5l.TYPE_HARD else None
    found = None if root is None else _from_tree(root, dataset.shape, dataset.chunks, handle)
    return _complete(found or _from_library(dataset), dataset.shape, dataset.chunks)


def tree_chunks(root: int, shape: Sides, chunks: Sides, handle: int) -> Chunks | None:
    """The chunks of a dataset whose version 1 B-tree starts at `root`; see `find_chunks`."""
    return _complete(_from_tree(root, shape, chunks, handle), shape, chunks)


def _complete(found: Chunks | None, shape: Sides, chunks: Sides) -> Chunks | None:
    """The same chunks in row-major order, or None where some are missing."""
    if found is None:
        return None
    grid = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
    if len(found.addresses) != math.prod(grid) or (found.addresses < 0).any():
        return None
    wanted = np.indices(grid).reshape(len(grid), -1).T * np.array(chunks)
    if not np.array_equal(found.starts, wanted):  # a tree is in order, other indices need not be
        order = np.lexsort(found.starts.T[::-1])
        found = Chunks(found.starts[order], found.addresses[order], found.sizes[order], found.masks[order])
    return found if np.array_equal(found.starts, wanted) else None


def _from_library(dataset: Any) -> Chunks | None:
    if not hasattr(dataset.id, "chunk_iter"):  # HDF5 before 1.12.3
        return None
    seen: list[tuple[Any, ...]] = []
    dataset.id.chunk_iter(lambda c: seen.append((*c.chunk_offset, c.byte_offset, c.size, c.filter_mask)))
    if not seen or any(row[-3] is None for row in seen):
        return None
    table = np.array(seen, np.int64)
    return Chunks(table[:, :-3], table[:, -3], table[:, -2], table[:, -1])


def _from_tree(root: int, shape: Sides, chunks: Sides, handle: int) -> Chunks | None:
    """The chunks by the version 1 B-tree at `root`, or None when there is another index."""
    rank = len(shape)
    entry = np.dtype([("size", "<u4"), ("mask", "<u4"), ("start", "<i8", (rank + 1,)), ("address", "<i8")])
    most = 64 + math.prod(-(-n // c) for n, c in zip(shape, chunks, strict=True))
    level, node, leaves = -1, root, []
    while node != UNDEFINED and most:  # every node holds an entry, so a tree has fewer leaves than chunks
        most -= 1
        read = _node(handle, node, entry.itemsize)
        if read is None:
            return None
        level, following, body = read
        if level:
            node = int(np.frombuffer(body, entry, 1)["address"][0])
        else:
            leaves.append(body)
            node = following
    if level != 0 or node != UNDEFINED:
        return None
    table = np.frombuffer(b"".join(leaves), entry)
    return Chunks(
        table["start"][:, :-1], table["address"], table["size"].astype(np.int64), table["mask"].astype(np.int64)
    )


def _node(handle: int, address: int, entry: int) -> tuple[int, int, bytes] | None:
    """Level, address of the right sibling and the entries of a node of a chunk index."""
    raw = _bytes(handle, NODE_HEAD.size + FIRST_READ * entry, address)
    if len(raw) < NODE_HEAD.size:
        return None
    signature, kind, level, used, _, following = NODE_HEAD.unpack_from(raw)
    if signature != b"TREE" or kind != 1 or not used:
        return None
    if used > FIRST_READ:
        raw = _bytes(handle, NODE_HEAD.size + used * entry, address)
    body = raw[NODE_HEAD.size : NODE_HEAD.size + used * entry]
    return (level, following, body) if len(body) == used * entry else None


def _tree_address(header: int, handle: int) -> int | None:
    """Where the chunk index of the object with a version 1 header at `header` starts."""
    head = _bytes(handle, 16, header)
    if len(head) < 16 or head[0] != 1:
        return None
    blocks, tried = [(header + 16, int.from_bytes(head[8:12], "little"))], 0
    while blocks and tried < 64:
        tried += 1
        place, size = blocks.pop()
        raw = _bytes(handle, size, place)
        for kind, body in _messages(raw):
            if kind == CONTINUATION_MESSAGE and len(body) >= 16:
                blocks.append(struct.unpack_from("<QQ", body))
            if kind == LAYOUT_MESSAGE and len(body) >= 11:
                version, layout_class = body[0], body[1]
                return int.from_bytes(body[3:11], "little") if (version, layout_class) == (3, 2) else None
    return None


def _bytes(handle: int, size: int, address: int) -> bytes:
    """Up to `size` bytes of the file; none where a damaged file points to no place."""
    return os.pread(handle, min(size, LARGEST), address) if address <= sys.maxsize else b""


def _messages(raw: bytes) -> list[tuple[int, bytes]]:
    """(type, body) of each message in a block of a version 1 object header."""
    starts = [0]
    while starts[-1] + 8 <= len(raw):
        starts.append(starts[-1] + 8 + int.from_bytes(raw[starts[-1] + 2 : starts[-1] + 4], "little"))
    return [(int.from_bytes(raw[a : a + 2], "little"), raw[a + 8 : b]) for a, b in pairwise(starts)]
