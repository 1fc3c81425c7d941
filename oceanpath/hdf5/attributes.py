"""Types and attributes in the headers of ordinary HDF5 files; see `oceanpath.hdf5.headers`."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

Bytes = Callable[[int, int], bytes]
"""(address, size) → bytes of the file."""
MAX_HEAP_BYTES = 1 << 16


class Unusual(Exception):  # noqa: N818  # not an error: the library then reads the file
    """The file has an unusual layout or is damaged."""


def _types() -> dict[bytes, np.dtype[Any]]:
    """Datatype messages of numpy's little-endian numbers (IV.A.2.d), without trailing padding."""
    types = {}
    for size in (1, 2, 4, 8):
        for kind, sign in (("i", 8), ("u", 0)):
            message = struct.pack("<BBBBIHH", 0x10, sign, 0, 0, size, 0, 8 * size)
            types[message.rstrip(b"\0")] = np.dtype(f"<{kind}{size}")
    for size, exponent, bias in ((2, 5, 15), (4, 8, 127), (8, 11, 1023)):
        bits, mantissa = 8 * size, 8 * size - 1 - exponent
        head = struct.pack("<BBBBIHH", 0x11, 0x20, bits - 1, 0, size, 0, bits)
        message = head + struct.pack("<BBBBI", mantissa, exponent, 0, mantissa, bias)
        types[message.rstrip(b"\0")] = np.dtype(f"<f{size}")
    return types


TYPES = _types()
BOOLEAN = (
    struct.pack("<BHBI", 0x18, 2, 0, 1)
    + struct.pack("<BBBBIHH", 0x10, 8, 0, 0, 1, 0, 8)
    + b"FALSE\0\0\0TRUE\0\0\0\0\0\1"
)
"""Datatype of booleans in h5py: an enumeration of two byte values."""
TEXT, FIXED = 0x19, 0x13
"""First byte of a datatype: variable-length text in the file's heap, and fixed-length bytes."""


def sizes_of(space: bytes) -> tuple[int, ...]:
    """The shape in a dataspace message; () for a scalar. Raises: Unusual: no values, or another version."""
    version, rank = space[0], space[1]
    if version == 1:
        start = 8
    elif version == 2 and space[3] in (0, 1):
        start = 4
    else:
        raise Unusual("dataspace")
    return struct.unpack_from(f"<{rank}Q", space, start)


def attribute(message: bytes, file: Bytes) -> tuple[str, Any]:
    """Name and value of an attribute message, the value as h5py returns it.

    Raises: Unusual: a type other than numbers, text or bytes; IndexError, struct.error, ValueError: damaged.
    """
    version, _, name_size, type_size, space_size = struct.unpack_from("<BBHHH", message)
    if version not in (1, 3):
        raise Unusual("attribute")
    align, name = (8, 8) if version == 1 else (1, 9)
    kind = name + -(-name_size // align) * align
    space = kind + -(-type_size // align) * align
    value = space + -(-space_size // align) * align
    text = message[name : name + name_size].rstrip(b"\0").decode()
    shape = sizes_of(message[space : space + space_size])
    return text, _value(message[kind : kind + type_size], shape, message[value:], file)


def _value(kind: bytes, shape: tuple[int, ...], raw: bytes, file: Bytes) -> Any:
    dtype = TYPES.get(kind.rstrip(b"\0")) or (np.dtype(bool) if kind.startswith(BOOLEAN) else None)
    if dtype is not None:
        values = np.frombuffer(raw, dtype, math.prod(shape))
        return values.reshape(shape).copy() if shape else values[0]
    size = int.from_bytes(kind[4:8], "little")
    if kind[0] == TEXT and kind[1] & 15 == 1 and size == 16 and not shape:
        length, address, wanted = struct.unpack_from("<IQI", raw)
        return _heap_text(length, address, wanted, file)
    if kind[0] == FIXED and not shape and kind[1] & 15 in (0, 1) and 0 < size <= len(raw):
        return np.bytes_(raw[:size])
    raise Unusual("type of an attribute")


def _heap_text(size: int, address: int, wanted: int, file: Bytes) -> str:
    """The text of object `wanted` in the global heap at `address` (III.E)."""
    head = file(address, 16)
    if head[:5] != b"GCOL\x01":
        raise Unusual("global heap")
    whole = int.from_bytes(head[8:16], "little")
    heap, at = file(address, min(whole, MAX_HEAP_BYTES)), 16
    while True:
        index, _, length = struct.unpack_from("<HH4xQ", heap, at)
        if index == wanted and length >= size:
            return heap[at + 16 : at + 16 + size].decode()
        if not index:
            raise Unusual("object of the heap")
        at += 16 + -(-length // 8) * 8
