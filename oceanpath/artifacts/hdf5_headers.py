"""What an ordinary HDF5 file holds, read without the library and its lock: names, shapes, types, places, attributes.

Opening a file and asking the library for each of these takes longer than copying the features of a small slide. This
reads what HDF5 writes by default ("HDF5 File Format Specification 3.0"): superblock 0 (II.A), groups as symbol tables
(III.A, III.B), object headers 1 (IV.A.1). Whatever differs, in any part, raises `Unusual`, and the library reads the
file instead: a file is never understood in half.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oceanpath.artifacts.hdf5_attributes import TYPES, Unusual, attribute, sizes_of

SIGNATURE = b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00\x08\x08\x00"
"""With superblock 0, its parts of version 0, and 8 bytes an offset and a length."""
HEAD = 1 << 13
"""Bytes that are read at once: all headers of a file that holds some arrays and attributes."""
MOST = 1 << 16
"""Bytes of a header block or a heap, blocks of a header, members of a group: more is not ordinary."""
DATASPACE, DATATYPE, LAYOUT, FILTERS, ATTRIBUTE, CONTINUATION, TABLE = 1, 3, 8, 11, 12, 16, 17
HARMLESS = {0, 4, 5, 13, 14, 18}
"""Padding, fill values, comments, times: nothing that moves a row."""
LARGEST_CHUNK = 1 << 28
"""Bytes of a chunk."""
SHARED = 2
"""Flag of a message whose content lies in another object."""


@dataclass(frozen=True)
class Header:
    """One dataset as its object header tells."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    address: int
    """Where the rows start, or the chunk index where there are chunks."""
    filters: tuple[int, ...]
    """Numbers of the filters that each chunk went through, in this order."""
    attrs: Mapping[str, Any]


class FileBytes:
    """The bytes of an open file; its head is read once."""

    def __init__(self, handle: int) -> None:
        self.handle, self.size = handle, os.fstat(handle).st_size
        self._head = os.pread(handle, HEAD, 0)

    def at(self, address: int, size: int) -> bytes:
        """`size` bytes at `address`. Raises: Unusual: the file has not that many there."""
        if size > MOST or address + size > self.size:
            raise Unusual("outside the file")
        if address + size <= len(self._head):
            return self._head[address : address + size]
        return os.pread(self.handle, size, address)


def read_headers(handle: int) -> tuple[dict[str, Header], dict[str, Any]]:
    """All datasets of an open file by name, and the attributes of the file itself.

    Raises: Unusual: some part of the file is not what is described above.
    """
    file = FileBytes(handle)
    block = file.at(0, 96)
    base, _, end, _, _, root = struct.unpack_from("<6Q", block, 24)
    if block[:16] != SIGNATURE or base or end != file.size:
        raise Unusual("superblock")
    try:
        messages = list(_messages(file, root))
        return dict(_members(file, messages, "", frozenset([root]))), _attributes(file, messages)
    except (struct.error, IndexError, ValueError) as error:  # a block is shorter than what it says it holds
        raise Unusual("damaged") from error


def _members(
    file: FileBytes, messages: list[tuple[int, bytes]], prefix: str, above: frozenset[int]
) -> Iterator[tuple[str, Header]]:
    """Name and header of every dataset at or below a group."""
    found = dict(messages)
    if TABLE not in found or len(above) > MOST >> 10 or set(found) - {TABLE, ATTRIBUTE} - HARMLESS:
        raise Unusual("group")
    tree, heap = struct.unpack_from("<2Q", found[TABLE])
    names = _heap(file, heap)
    for name_at, address in _entries(file, tree):
        name = prefix + names[name_at : names.index(b"\0", name_at)].decode()
        held = list(_messages(file, address))
        if TABLE in dict(held):
            if address not in above:
                yield from _members(file, held, f"{name}/", above | {address})
        else:
            yield name, _header(file, held)


def _heap(file: FileBytes, address: int) -> bytes:
    """The names of a group: its local heap."""
    head = file.at(address, 32)
    if head[:5] != b"HEAP\0":
        raise Unusual("heap")
    size, _, data = struct.unpack_from("<3Q", head, 8)
    return file.at(data, size)


def _entries(file: FileBytes, tree: int) -> Iterator[tuple[int, int]]:
    """Place of the name and of the header of each member of a group that is no soft link; its tree has one level."""
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
        for name, address, kind in struct.iter_unpack("<2QI20x", file.at(node + 8, 40 * count)):
            if kind != 2:  # 2 is a soft link
                yield name, address


def _messages(file: FileBytes, address: int) -> Iterator[tuple[int, bytes]]:
    """(type, content) of each message of the object whose header is at `address`."""
    head = file.at(address, 16)
    if head[0] != 1:
        raise Unusual("object header")
    blocks = [(address + 16, int.from_bytes(head[8:12], "little"))]
    for seen, (place, size) in enumerate(blocks):
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
        if seen > MOST >> 8:
            raise Unusual("endless header")


def _header(file: FileBytes, messages: list[tuple[int, bytes]]) -> Header:
    found = dict(messages)
    wanted = {DATASPACE, DATATYPE, LAYOUT}
    if wanted - set(found) or set(found) - wanted - {FILTERS, ATTRIBUTE} - HARMLESS:
        raise Unusual("dataset")
    shape, dtype = sizes_of(found[DATASPACE]), TYPES.get(found[DATATYPE].rstrip(b"\0"))
    layout = found[LAYOUT]
    if dtype is None or not math.prod(shape) or layout[0] != 3:
        raise Unusual("type or layout")
    rank, nbytes, chunks = len(shape), math.prod(shape) * dtype.itemsize, None
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
