"""One view over the containers that hold features: HDF5, torch tensors, numpy arrays."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.hdf5_rows import BLOCK_BYTES, row_blocks
from oceanpath.errors import ArtifactError

HDF5 = (".h5", ".hdf5")
TORCH = (".pt", ".pth")
Blocks = Callable[[str], Iterator[NDArray[Any]]]
READABLE = (*HDF5, *TORCH, ".npy")
DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError)
"""What h5py, torch and numpy raise for a file that is cut off or is something else."""


@dataclass(frozen=True)
class Source:
    """An open container: array names with shapes and types, attributes, and a way to read the rows of one array."""

    kind: str
    arrays: Mapping[str, tuple[tuple[int, ...], str]]
    """Name → (shape, dtype name); only what could be an array of numbers."""
    blocks: Blocks
    """Rows [m, D] of an array [N, D] or [1, N, D] by its name, in order, as stored; the next block may overwrite one."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    array_attrs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a feature file of any supported container.

    Raises: ArtifactError: missing, unknown suffix, truncated or damaged, also while an array is being read.
    """
    suffix = Path(path).suffix.lower()
    opener = _hdf5 if suffix in HDF5 else _torch if suffix in TORCH else _numpy if suffix == ".npy" else None
    if opener is None:
        raise ArtifactError("no known feature file", where=path, expected=" ".join(READABLE))
    with ExitStack() as stack:
        with _damage_named(path):
            source = stack.enter_context(opener(Path(path)))
        yield replace(source, blocks=_guarded(source.blocks, path))


def _guarded(blocks: Blocks, path: Path) -> Blocks:
    def read_or_name(name: str) -> Iterator[NDArray[Any]]:
        with _damage_named(path):
            yield from blocks(name)

    return read_or_name


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        do = "The file is missing, cut off or damaged: copy or extract it again."
        raise ArtifactError("cannot be read", where=path, got=_first_line(error), do=do) from error


@contextmanager
def _hdf5(path: Path) -> Iterator[Source]:
    with h5py.File(path, "r") as file, path.open("rb", buffering=0) as beside:
        sets: dict[str, Any] = {}
        file.visititems(lambda name, item: sets.update({name: item}) if isinstance(item, h5py.Dataset) else None)
        arrays = {name: (item.shape, item.dtype.name) for name, item in sets.items() if item.dtype.kind in "fiu"}
        attrs = {name: dict(sets[name].attrs) for name in arrays}
        yield Source("HDF5", arrays, lambda name: row_blocks(file[name], beside.fileno()), dict(file.attrs), attrs)


@contextmanager
def _numpy(path: Path) -> Iterator[Source]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    yield Source("numpy", {"features": (array.shape, array.dtype.name)}, lambda _: _sliced(array))


@contextmanager
def _torch(path: Path) -> Iterator[Source]:
    import torch  # a second to import, and only CLAM's files need it

    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # written before torch 1.6: no zip archive, so it cannot be mapped
        held = torch.load(path, map_location="cpu", weights_only=True)
    named = held if isinstance(held, dict) else {"features": held}
    tensors = {str(name): value for name, value in named.items() if isinstance(value, torch.Tensor)}
    arrays = {name: (tuple(value.shape), str(value.dtype).removeprefix("torch.")) for name, value in tensors.items()}

    def blocks(name: str) -> Iterator[NDArray[Any]]:
        tensor = tensors[name].detach()
        return _sliced((tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy())

    yield Source("torch", arrays, blocks)


def _sliced(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    table = array.reshape(array.shape[-2:])
    rows = max(1, BLOCK_BYTES // max(1, table[:1].nbytes))
    return (np.array(table[start : start + rows]) for start in range(0, len(table), rows))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
