"""Contents of an ordinary HDF5 file without the library and its lock: names, shapes, types, addresses, attributes.

Opening a file with the library takes longer than copying the features of a small slide (decision 0019). This module
reads the default layout of HDF5 ("HDF5 File Format Specification 3.0"): superblock 0 (II.A), groups as symbol tables
(III.A, III.B), object headers 1 (IV.A.1). Any deviation raises `Unusual`, and the library reads the file instead. The
bytes read per file are limited, so that reading ends for any damage and any cycle of links.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oceanpath.hdf5.attributes import TYPES, Unusual, attribute, sizes_of

SIGNATURE = b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00\x08\x08\x00"
"""Superblock 0 with parts of version 0, and 8 bytes per offset and per length."""
HEAD = 1 << 13
"""Bytes of the first read: all headers of a file with a few arrays and attributes."""
MAX_BLOCK_BYTES = 1 << 16
"""Maximum bytes of a header block or a heap."""
MAX_DEPTH = 32
"""Maximum depth of groups."""
MAX_COST, READ_COST = 8 << 20, 256
"""Maximum cost of reading the headers of a file in bytes, and the cost of each read in addition to its bytes."""
DATASPACE, DATATYPE, LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, TABLE = 1, 3, 8, 11, 12, 16, 17
IGNORED_MESSAGES = {0, 4, 5, 13, 14, 18}
"""Padding, fill values, comments, times: messages that do not affect rows."""
MAX_CHUNK_BYTES = 1 << 28
"""Maximum bytes of a chunk."""
SHARED = 2
"""Flag of a message whose content is in another object."""
SOFT = 2
"""Type of a group member that is a soft link."""


@dataclass(frozen=True)
class Header:
    """One dataset by its object header."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    address: int
    """Address of the rows, or of the chunk index."""
    filters: tuple[int, ...]
    """Numbers of the filters of each chunk, in order of application."""
    attrs: Mapping[str, Any]


@dataclass(frozen=True)
class Contents:
    """Contents of an HDF5 file."""

    datasets: Mapping[str, Header]
    links: Mapping[str, str]
    """Name of each soft link → its target as written in the file."""
    attrs: Mapping[str, Any]


class FileBytes:
    """The bytes of an open file; its first bytes are read once."""

    def __init__(self, handle: int) -> None:
        self.handle, self.size, self._left = handle, os.fstat(handle).st_size, MAX_COST
        self._head = os.pread(handle, HEAD, 0)

    def at(self, address: int, size: int) -> bytes:
        """`size` bytes at `address`. Raises: Unusual: beyond the end of the file, or too much was read."""
        self._left -= size + READ_COST
        if size > MAX_BLOCK_BYTES or address + size > self.size or self._left < 0:
            raise Unusual("outside the file, or endless")
        if address + size <= len(self._head):
            return self._head[address : address + size]
        return os.pread(self.handle, size, address)


def read_headers(handle: int) -> Contents:
    """Contents of an open file.

    Raises: Unusual: some part of the file deviates from the layout above.
    """
    file = FileBytes(handle)
    block = file.at(0, 96)
    base, _, end, _, _, root = struct.unpack_from("<6Q", block, 24)
    if block[:16] != SIGNATURE or base or end != file.size:
        raise Unusual("superblock")
    try:
        messages = list(_messages(file, root))
        members = dict(_members(file, messages, "", frozenset([root])))
        attrs = _attributes(file, messages)
    except (struct.error, IndexError, ValueError) as error:  # a block is shorter than the length it states
        raise Unusual("damaged") from error
    datasets = {name: member for name, member in members.items() if isinstance(member, Header)}
    return Contents(datasets, {name: member for name, member in members.items() if isinstance(member, str)}, attrs)


def _members(
    file: FileBytes, messages: list[tuple[int, bytes]], prefix: str, above: frozenset[int]
) -> Iterator[tuple[str, Header | str]]:
    """Name of every dataset and soft link at or below a group, with its header or target."""
    contents = dict(messages)
    if TABLE not in contents or len(above) > MAX_DEPTH or set(contents) - {TABLE, ATTRIBUTE} - IGNORED_MESSAGES:
        raise Unusual("group")
    tree, heap = struct.unpack_from("<2Q", contents[TABLE])
    names = _heap(file, heap)
    for name_at, address, target in _entries(file, tree):
        name = prefix + _text(names, name_at)
        if target is not None:
            yield name, _text(names, target)
            continue
        member = list(_messages(file, address))
        if TABLE in dict(member):
            if address not in above:
                yield from _members(file, member, f"{name}/", above | {address})
        else:
            yield name, _header(file, member)


def _text(heap: bytes, start: int) -> str:
    return heap[start : heap.index(b"\0", start)].decode()


def _heap(file: FileBytes, address: int) -> bytes:
    """The names of a group: its local heap."""
    head = file.at(address, 32)
    if head[:5] != b"HEAP\0":
        raise Unusual("heap")
    size, _, data = struct.unpack_from("<3Q", head, 8)
    return file.at(data, size)


def _entries(file: FileBytes, tree: int) -> Iterator[tuple[int, int, int | None]]:
    """(name, address of the header, target of a soft link) of each member; texts are positions in the heap."""
    head = file.at(tree, 24)
    if head[:6] != b"TREE\0\0" or head[8:24] != b"\xff" * 16:
        raise Unusual("group of many")
    used = int.from_bytes(head[6:8], "little")
    keys = struct.unpack(f"<{2 * used}Q", file.at(tree + 24, 16 * used))
    for node in keys[1::2]:
        head = file.at(node, 8)
        if head[:5] != b"SNOD\x01":
            raise Unusual("symbols")
        count = int.from_bytes(head[6:8], "little")
        for name, address, kind, target in struct.iter_unpack("<2QI4xI12x", file.at(node + 8, 40 * count)):
            yield name, address, target if kind == SOFT else None


def _messages(file: FileBytes, address: int) -> Iterator[tuple[int, bytes]]:
    """(type, content) of each message of the object whose header is at `address`."""
    head = file.at(address, 16)
    if head[0] != 1:
        raise Unusual("object header")
    blocks = [(address + 16, int.from_bytes(head[8:12], "little"))]
    for start, size in blocks:
        raw, at = file.at(start, size), 0
        while at + 8 <= size:
            kind, length, flags = struct.unpack_from("<HHB", raw, at)
            content = raw[at + 8 : at + 8 + length]
            if flags & SHARED or len(content) != length:
                raise Unusual("message")
            if kind == CONTINUATION:
                blocks.append(struct.unpack_from("<2Q", content))  # the loop reads it next
            else:
                yield kind, content
            at += 8 + length


def _header(file: FileBytes, messages: list[tuple[int, bytes]]) -> Header:
    contents = dict(messages)
    wanted = {DATASPACE, DATATYPE, LAYOUT}
    if wanted - set(contents) or set(contents) - wanted - {FILTERS, ATTRIBUTE} - IGNORED_MESSAGES:
        raise Unusual("dataset")
    shape, dtype = sizes_of(contents[DATASPACE]), TYPES.get(contents[DATATYPE].rstrip(b"\0"))
    layout = contents[LAYOUT]
    if dtype is None or layout[0] != 3:
        raise Unusual("type or layout")
    rank, nbytes, chunks = len(shape), math.prod(shape) * dtype.itemsize, None
    if not nbytes:
        return Header(shape, dtype, None, 0, (), _attributes(file, messages))
    if layout[1] == 1:  # contiguous
        address, stored = struct.unpack_from("<2Q", layout, 2)
        if stored != nbytes or address + stored > file.size:
            raise Unusual("contiguous data")
    elif layout[1] == 2 and layout[2] == rank + 1:  # chunks, by a tree
        address, *sides = struct.unpack_from(f"<Q{rank + 1}I", layout, 3)
        chunks = tuple(sides[:-1])
        stored = math.prod(sides)
        if (
            sides[-1] != dtype.itemsize
            or not 0 < stored <= MAX_CHUNK_BYTES
            or (nbytes > file.size and FILTERS not in contents)
        ):
            raise Unusual("chunks")
    else:
        raise Unusual("layout")
    filters = _filters(contents[FILTERS]) if FILTERS in contents else ()
    return Header(shape, dtype, chunks, address, filters, _attributes(file, messages))


def _filters(pipeline: bytes) -> tuple[int, ...]:
    """The numbers in a filter pipeline message of version 1 (IV.A.2.l)."""
    if pipeline[0] != 1:
        raise Unusual("filters")
    numbers, at = [], 8
    for _ in range(pipeline[1]):
        number, name, _, values = struct.unpack_from("<4H", pipeline, at)
        numbers.append(number)
        at += 8 + name + 4 * (values + values % 2)
    return tuple(numbers)


def _attributes(file: FileBytes, messages: list[tuple[int, bytes]]) -> dict[str, Any]:
    return dict(attribute(content, file.at) for kind, content in messages if kind == ATTRIBUTE)
