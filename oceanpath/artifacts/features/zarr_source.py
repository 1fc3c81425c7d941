"""A `.zarr` folder as a source of features: an array, or a group of named arrays like the datasets of an HDF5 file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.container import Source, UnreadableError, refuse_bomb
from oceanpath.errors import MissingExtraError
from oceanpath.hdf5.rows import block_rows, table_shape

MAX_DEPTH = 8


@contextmanager
def zarr_source(path: Path) -> Iterator[Source]:
    """Open a zarr folder. Raises: MissingExtraError: the package zarr is not installed."""
    zarr = _zarr(path)
    if not path.is_dir():
        raise FileNotFoundError(2, "No such folder", str(path))
    root = zarr.open(str(path), mode="r")
    single = isinstance(root, zarr.Array)
    members = [("features", root)] if single else sorted(root.members(max_depth=MAX_DEPTH), key=lambda one: one[0])
    arrays = {name: item for name, item in members if isinstance(item, zarr.Array)}
    tables = {name: item for name, item in arrays.items() if item.shape and item.dtype.kind in "fiu"}
    yield Source(
        "zarr",
        {name: (tuple(item.shape), item.dtype.name) for name, item in tables.items()},
        lambda name, _rows_wanted=0: _rows(tables[name]),
        check=lambda name: _check(name, tables[name], path),
        attrs={} if single else dict(root.attrs),
        array_attrs={name: dict(item.attrs) for name, item in tables.items()},
    )


def _zarr(path: Path) -> Any:
    try:
        import zarr  # of the extra `formats`
    except ImportError as error:
        do = 'python -m pip install "oceanpath[formats]"'
        raise MissingExtraError(
            "reading .zarr features needs the package zarr, which is not installed", where=path, do=do
        ) from error
    return zarr


def _check(name: str, array: Any, path: Path) -> None:
    """Reject rows that were never written, and arrays that decompress to an implausible size."""
    there, count, nbytes = array.nchunks_initialized, array.nchunks, array.dtype.itemsize * int(np.prod(array.shape))
    whole_rows = array.chunks[-1] == array.shape[-1] and array.chunks[-2:-1] != (1,)
    # zarr does not store chunks that are all zero: single rows or columns of zeros may be intended
    if nbytes and ((not there and array.shape[-2:-1] != (1,)) or (there < count and whole_rows)):
        how = f"was written in part: {there} of {count} chunks" if there else "was allocated but never written"
        raise UnreadableError(f"{name} {how}", where=path, do="Extract this slide again.")
    refuse_bomb(name, nbytes, array.nbytes_stored(), path)


def _rows(array: Any) -> Iterator[NDArray[Any]]:
    n, dim = table_shape(tuple(array.shape))
    if len(array.shape) == 1:
        yield np.asarray(array[:]).reshape(n, dim)
        return
    rows = block_rows(dim * array.dtype.itemsize)
    rows = max(1, rows // array.chunks[-2]) * array.chunks[-2]  # whole chunks: none is read twice
    leading = (0,) * (len(array.shape) - 2)
    for start in range(0, n, rows):
        yield np.asarray(array[(*leading, slice(start, start + rows))])
