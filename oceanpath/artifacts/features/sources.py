"""Feature containers, opened by suffix: HDF5, torch tensors, numpy arrays, zarr folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.container import Arrays, Blocks, CoordsSource, Source, causes_named, guarded
from oceanpath.artifacts.features.hdf5_source import hdf5_source
from oceanpath.artifacts.features.numpy_source import npy_source, npz_source
from oceanpath.artifacts.features.torch_source import torch_source
from oceanpath.artifacts.features.zarr_source import zarr_source
from oceanpath.errors import ArtifactError
from oceanpath.hdf5.rows import run_blocks, table_shape

OPENERS: Mapping[str, Callable[[Path], AbstractContextManager[Source]]] = {
    ".h5": hdf5_source,
    ".hdf5": hdf5_source,
    ".pt": torch_source,
    ".pth": torch_source,
    ".npy": npy_source,
    ".npz": npz_source,
    ".zarr": zarr_source,
}
READABLE = tuple(OPENERS)
"""Suffixes of feature files, also for searches of folders."""


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a feature file of any supported container.

    Raises: ArtifactError: missing, unknown suffix, truncated or damaged, also while an array is being read.
    """
    path = Path(path)
    opener = OPENERS.get(path.suffix.lower())
    if opener is None:
        raise ArtifactError("not a known feature file", where=path, expected=" ".join(READABLE))
    with ExitStack() as stack:
        with causes_named(path):
            source = stack.enter_context(opener(path))
        yield guarded(source, path)


@contextmanager
def open_with_coords(path: Path, arrays: Arrays, places: CoordsSource) -> Iterator[Source]:
    """Open a feature file whose `arrays` (name → shape, dtype name) were located at `places` before; needs no library.

    Raises: ArtifactError: missing, or too short for `places`, also while an array is being read.
    """
    with ExitStack() as stack:
        with causes_named(path):
            handle = stack.enter_context(path.open("rb", buffering=0)).fileno()
        yield guarded(Source("HDF5", arrays, _placed(arrays, places, handle), places.get), path)


def _placed(arrays: Arrays, places: CoordsSource, handle: int) -> Blocks:
    def blocks(name: str, rows: int = 0) -> Iterator[NDArray[Any]]:
        shape, dtype = arrays[name]
        return run_blocks(places[name], handle, table_shape(shape), np.dtype(dtype), rows)

    return blocks
