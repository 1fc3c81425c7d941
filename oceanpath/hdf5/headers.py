"""What an ordinary HDF5 file holds, read without the library and its lock: names, shapes, types, places, attributes.

Opening a file and asking the library for each of these takes longer than copying the features of a small slide. This
reads what HDF5 writes by default ("HDF5 File Format Specification 3.0"): superblock 0 (II.A), groups as symbol tables
(III.A, III.B), object headers 1 (IV.A.1). Whatever differs, in any part, raises `Unusual`, and the library reads the
file instead: a file is never understood in half. What is read of one file is limited, so that no damage and no web of
links makes it endless.
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
"""With superblock 0, its parts of version 0, and 8 bytes an offset and a length."""
HEAD = 1 << 13
"""Bytes that are read at once: all headers of a file that holds some arrays and attributes."""
MOST = 1 << 16
"""Bytes of a header block or a heap: more is not ordinary."""
DEEPEST = 32
"""Groups inside each other."""
WORK, COST = 8 << 20, 256
"""What reading the headers of a file may cost: bytes, and so many bytes more for each read."""
DATASPACE, DATATYPE, LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, TABLE = 1, 3, 8, 11, 12, 16, 17
HARMLESS = {0, 4, 5, 13, 14, 18}
"""Padding, fill values, comments, times: nothing that moves a row."""
LARGEST_CHUNK = 1 << 28
"""Bytes of a chunk."""
SHARED = 2
"""Flag of a message whose content is in another object."""
SOFT = 2
"""Kind of a member of a group that is a soft link."""


@dataclass(frozen=True)
class Header:
    """One dataset as its object header describes it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    address: int
    """Where the rows start, or the chunk index where there are chunks."""
    filters: tuple[int, ...]
    """Numbers of the filters that each chunk went through, in this order."""
    attrs: Mapping[str, Any]


@dataclass(frozen=True)
class Contents:
    """What an HDF5 file holds."""

    datasets: Mapping[str, Header]
    links: Mapping[str, str]
    """Name of each soft link → the name that it stands for, as it is written in the file."""
    attrs: Mapping[str, Any]


class FileBytes:
    """The bytes of an open file; its head is read once."""

    def __init__(self, handle: int) -> None:
        self.handle, self.size, self._left = handle, os.fstat(handle).st_size, WORK
        self._head = os.pread(handle, HEAD, 0)

    def at(self, address: int, size: int) -> bytes:
        """`size` bytes at `address`. Raises: Unusual: the file has not that many there, or too much was read."""
        self._left -= size + COST
        if size > MOST or address + size > self.size or self._left < 0:
            raise Unusual("outside the file, or endless")
        if address + size <= len(self._head):
            return self._head[address : address + size]
        return os.pread(self.handle, size, address)


def read_headers(handle: int) -> Contents:
    """Everything that an open file holds, and the attributes of the file itself.

    Raises: Unusual: some part of the file is not what is described above.
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
    except (struct.error, IndexError, ValueError) as error:  # a block is shorter than what it says it holds
        raise Unusual("damaged") from error
    datasets = {name: held for name, held in members.items() if isinstance(held, Header)}
    return Contents(datasets, {name: held for name, held in members.items() if isinstance(held, str)}, attrs)


def _members(
    file: FileBytes, messages: list[tuple[int, bytes]], prefix: str, above: frozenset[int]
) -> Iterator[tuple[str, Header | str]]:
    """Name of every dataset and soft link at or below a group, with its header or where it leads."""
    found = dict(messages)
    if TABLE not in found or len(above) > DEEPEST or set(found) - {TABLE, ATTRIBUTE} - HARMLESS:
        raise Unusual("group")
    tree, heap = struct.unpack_from("<2Q", found[TABLE])
    names = _heap(file, heap)
    for name_at, address, leads in _entries(file, tree):
        name = prefix + _text(names, name_at)
        if leads is not None:
            yield name, _text(names, leads)
            continue
        held = list(_messages(file, address))
        if TABLE in dict(held):
            if address not in above:
                yield from _members(file, held, f"{name}/", above | {address})
        else:
            yield name, _header(file, held)


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
    """(name, address of the header, where a soft link leads) of each member; texts are positions in the heap."""
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
        for name, address, kind, leads in struct.iter_unpack("<2QI4xI12x", file.at(node + 8, 40 * count)):
            yield name, address, leads if kind == SOFT else None


def _messages(file: FileBytes, address: int) -> Iterator[tuple[int, bytes]]:
    """(type, content) of each message of the object whose header is at `address`."""
    head = file.at(address, 16)
    if head[0] != 1:
        raise Unusual("object header")
    blocks = [(address + 16, int.from_bytes(head[8:12], "little"))]
    for place, size in blocks:
        raw, at = file.at(place, size), 0
        while at + 8 <= size:
            kind, length, flags = struct.unpack_from("<HHB", raw, at)
            content = raw[at + 8 : at + 8 + length]
            if flags & SHARED or len(content) != length:
                raise Unusual("message")
            if kind == CONTINUATION:
                blocks.append(struct.unpack_from("<2Q", content))  # the loop comes to it
            else:
                yield kind, content
            at += 8 + length


def _header(file: FileBytes, messages: list[tuple[int, bytes]]) -> Header:
    found = dict(messages)
    wanted = {DATASPACE, DATATYPE, LAYOUT}
    if wanted - set(found) or set(found) - wanted - {FILTERS, ATTRIBUTE} - HARMLESS:
        raise Unusual("dataset")
    shape, dtype = sizes_of(found[DATASPACE]), TYPES.get(found[DATATYPE].rstrip(b"\0"))
    layout = found[LAYOUT]
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
            or not 0 < stored <= LARGEST_CHUNK
            or (nbytes > file.size and FILTERS not in found)
        ):
            raise Unusual("chunks")
    else:
        raise Unusual("layout")
    filters = _filters(found[FILTERS]) if FILTERS in found else ()
    return Header(shape, dtype, chunks, address, filters, _attributes(file, messages))


def _filters(pipeline: bytes) -> tuple[int, ...]:
    """The numbers in a filter pipeline message of version 1 (IV.A.2.l)."""
    if pipeline[0] != 1:
        raise Unusual("filters")
    found, at = [], 8
    for _ in range(pipeline[1]):
        number, name, _, values = struct.unpack_from("<4H", pipeline, at)
        found.append(number)
        at += 8 + name + 4 * (values + values % 2)
    return tuple(found)


def _attributes(file: FileBytes, messages: list[tuple[int, bytes]]) -> dict[str, Any]:
    return dict(attribute(content, file.at) for kind, content in messages if kind == ATTRIBUTE)
