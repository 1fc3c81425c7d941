"""An HDF5 file as a source of features: ordinary files without the library, others through its child process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from oceanpath.artifacts.features.container import Source, refuse_bomb
from oceanpath.artifacts.features.hdf5_library import library_source
from oceanpath.hdf5.attributes import Unusual
from oceanpath.hdf5.byte_runs import Runs
from oceanpath.hdf5.headers import read_headers
from oceanpath.hdf5.rows import ReadMethod, method_from_header, read_blocks, stored_bytes


@contextmanager
def hdf5_source(path: Path) -> Iterator[Source]:
    """Open an HDF5 file. Raises: the exceptions in `container.DAMAGE`: it is damaged or not HDF5."""
    with path.open("rb", buffering=0) as file:
        source = ordinary_source(path, file.fileno())
        if source is not None:
            yield source
        else:
            with library_source(path, file.fileno()) as source:
                yield source


def ordinary_source(path: Path, handle: int) -> Source | None:
    """An HDF5 file whose headers and rows can be read without the library, except chunked vectors; None for others."""
    try:
        contents = read_headers(handle)
    except Unusual:
        return None
    methods: dict[str, ReadMethod] = {}
    for name, header in contents.datasets.items():
        if len(header.shape) > 1 or (len(header.shape) == 1 and header.chunks is None):
            method = method_from_header(header, handle)
            if method is None:
                return None
            methods[name] = method
    arrays = {name: (header.shape, header.dtype.name) for name, header in contents.datasets.items()}

    def runs(name: str) -> Runs | None:
        method = methods.get(name)
        return method if isinstance(method, Runs) else None

    def blocks(name: str, rows: int = 0) -> Iterator[NDArray[Any]]:
        if name in methods:
            header = contents.datasets[name]
            yield from read_blocks(methods[name], handle, header.shape, header.dtype, rows)
            return
        with library_source(path, handle) as source:
            yield from source.blocks(name)

    def check(name: str) -> None:
        if name not in methods:
            with library_source(path, handle) as source:
                source.check(name)
            return
        header = contents.datasets[name]
        refuse_bomb(name, math.prod(header.shape) * header.dtype.itemsize, stored_bytes(methods[name]), path)

    return Source(
        "HDF5",
        arrays,
        blocks,
        runs,
        check,
        contents.attrs,
        {name: header.attrs for name, header in contents.datasets.items()},
        contents.links,
    )
