"""`.npy` and `.npz` files as sources of features; nothing in them is unpickled.

.npy   one array, the features
.npz   arrays by name, like the datasets of an HDF5 file; a single array without a name (`arr_0`) is the features;
       arrays without axes (numbers, text) are the attributes
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.container import Source, refuse_bomb
from oceanpath.artifacts.features.npy_header import NpyHeader, map_npy, read_npy_header
from oceanpath.hdf5.rows import block_rows, table_shape

MAX_ARRAYS, MAX_ATTRIBUTE_BYTES = 1000, 1 << 16
NAMELESS = "arr_0"
"""Name of the first array that was saved without a name."""


@contextmanager
def npy_source(path: Path) -> Iterator[Source]:
    """Open a file of one array."""
    array = map_npy(path)
    yield Source("numpy", {"features": (array.shape, array.dtype.name)}, lambda _, rows=0: sliced(array, rows))


@contextmanager
def npz_source(path: Path) -> Iterator[Source]:
    """Open a file of named arrays."""
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        names = [info.filename.removesuffix(".npy") for info in members]
        if len(set(names)) != len(names) or len(names) > MAX_ARRAYS:
            raise ValueError(f"{len(names)} arrays with {len(set(names))} names")
        if names == [NAMELESS]:
            names = ["features"]
        infos = dict(zip(names, members, strict=True))
        headers = {name: _header(archive, info) for name, info in infos.items()}
        tables = {name: header for name, header in headers.items() if header.shape and header.dtype.kind in "fiu"}

        def check(name: str) -> None:
            refuse_bomb(name, infos[name].file_size, infos[name].compress_size, path)

        yield Source(
            "npz",
            {name: (header.shape, header.dtype.name) for name, header in tables.items()},
            lambda name, rows=0: _rows(archive, infos[name], headers[name], rows),
            check=check,
            attrs={name: _scalar(archive, infos[name]) for name, header in headers.items() if _is_scalar(header)},
        )


def _header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NpyHeader:
    with archive.open(info) as stream:
        header = read_npy_header(cast("Any", stream))
        held = info.file_size - stream.tell()
    if not header.dtype.hasobject and held != header.nbytes:
        raise ValueError(f"{info.filename} has {held} bytes, but its header states {header.nbytes}")
    return header


def _rows(archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: NpyHeader, rows: int) -> Iterator[NDArray[Any]]:
    n, dim = table_shape(header.shape)
    with archive.open(info) as stream:
        read_npy_header(cast("Any", stream))
        if header.fortran:
            flat = np.empty(header.shape[::-1], header.dtype)
            _fill(stream, flat)
            yield from sliced(flat.T, rows)
            return
        rows = rows or block_rows(dim * header.dtype.itemsize)
        block = np.empty((min(rows, n), dim), header.dtype)
        for start in range(0, n, rows):
            part = block[: min(rows, n - start)]
            _fill(stream, part)
            yield part


def _fill(stream: IO[bytes], array: NDArray[Any]) -> None:
    view = array.data.cast("B") if array.size else memoryview(b"")
    while view:
        got = cast("Any", stream).readinto(view)
        if not got:
            raise EOFError("the file ends before its array")
        view = view[got:]


def _is_scalar(header: NpyHeader) -> bool:
    return not header.shape and header.dtype.kind in "fiubUS" and header.nbytes <= MAX_ATTRIBUTE_BYTES


def _scalar(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """The value of an array without axes: a numpy number, or text."""
    with archive.open(info) as stream:
        value = np.lib.format.read_array(cast("Any", stream), allow_pickle=False)[()]
    return str(value) if isinstance(value, np.str_) else value


def sliced(array: NDArray[Any], rows: int = 0) -> Iterator[NDArray[Any]]:
    """Blocks of the rows of an array [N, D], [1, N, D] or [D] in memory, or mapped; default: about 4 MiB each."""
    table = array.reshape(table_shape(array.shape))
    rows = rows or block_rows(table[:1].nbytes)
    return (np.array(table[start : start + rows]) for start in range(0, len(table), rows))
