"""Named arrays in one memory-mapped file: opening it takes the same time for ten rows and for ten million.

The file is an ordinary uncompressed `.npz` (`numpy.load` reads it; no pickle) whose arrays start at multiples of 64
bytes, so that each can be a view of the mapped file. Equal arrays give equal bytes.
"""

from __future__ import annotations

import math
import mmap
import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.npy_header import read_npy_header
from oceanpath.errors import ArtifactError

ALIGN = 64
LOCAL_HEAD = struct.Struct("<26xHH")
"""Lengths of the name and of the extra field in a member's local header (APPNOTE 6.3.10, 4.3.7)."""
PADDING = struct.Struct("<HH")
PADDING_ID = 0xD935
"""Id of the extra field that zip tools use for alignment."""


def write_columns(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `arrays` to a new file, in their order. Raises: ValueError: an array of Python objects."""
    with path.open("wb") as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            head = LOCAL_HEAD.size + len(member.filename.encode()) + PADDING.size
            pad = -(handle.tell() + head) % ALIGN
            member.extra = PADDING.pack(PADDING_ID, pad) + bytes(pad)
            member.file_size = array.nbytes  # determines whether zipfile uses 64-bit sizes
            with archive.open(member, "w") as out:
                np.lib.format.write_array(out, np.asanyarray(array), allow_pickle=False)


def map_columns(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file that `write_columns` wrote, by name: read-only views of one map.

    Raises: ArtifactError: missing, truncated, compressed, or another kind of file.
    """
    try:
        with path.open("rb") as handle:
            data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
            with zipfile.ZipFile(handle) as archive:
                members = archive.infolist()
        return {member.filename.removesuffix(".npy"): _view(data, member) for member in members}
    except (OSError, ValueError, KeyError, struct.error, zipfile.BadZipFile) as error:
        raise ArtifactError("cannot be read", where=path, got=error) from error


def check_columns(path: Path) -> None:
    """Read the whole file. Raises: ArtifactError: an array differs from its checksum."""
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        raise ArtifactError("cannot be read", where=path, got=error) from error
    if wrong is not None:
        raise ArtifactError("an array differs from its checksum", where=path, got=wrong)


def take(rows: Mapping[str, NDArray[Any]], at: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The rows `at` of columns of equal length; text columns become as wide as their longest text."""
    return {name: _narrow(column[at]) for name, column in rows.items()}


def join(first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The rows of `first`, then those of `second`, which has the same columns."""
    return {name: _narrow(np.concatenate([column, second[name]])) for name, column in first.items()}


def _narrow(column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype.kind != "S":
        return column
    return column.astype(f"S{max(1, int(np.char.str_len(column).max(initial=1)))}", copy=False)


def _view(data: mmap.mmap, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    name_length, extra_length = LOCAL_HEAD.unpack_from(data, member.header_offset)
    start = member.header_offset + LOCAL_HEAD.size + name_length + extra_length
    head = BytesIO(data[start : start + min(member.file_size, 1 << 16)])
    header = read_npy_header(head)
    if header.fortran or header.dtype.hasobject or head.tell() + header.nbytes != member.file_size:
        raise ValueError(f"{member.filename} is not a plain array")
    count = math.prod(header.shape)
    array: NDArray[Any] = np.frombuffer(data, header.dtype, count, start + head.tell()).reshape(header.shape)
    return array
