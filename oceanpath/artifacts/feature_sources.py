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

from oceanpath.artifacts.byte_runs import Runs
from oceanpath.artifacts.hdf5_attributes import Unusual
from oceanpath.artifacts.hdf5_headers import read_headers
from oceanpath.artifacts.hdf5_rows import BLOCK_BYTES, header_blocks, header_runs, row_blocks, row_runs, run_blocks
from oceanpath.errors import ArtifactError

HDF5 = (".h5", ".hdf5")
TORCH = (".pt", ".pth")
Places = Mapping[str, Runs]
"""Array name → its bytes in the file."""
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
    """Rows [m, D] of an array [N, D] or [1, N, D] by its name, in order, as stored. The next block may overwrite it."""
    runs: Callable[[str], Runs | None] = lambda _: None
    """The bytes of an array in the file, where they lie there as numpy would hold them."""
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

        def runs(name: str) -> Runs | None:
            with _damage_named(path):
                return source.runs(name)

        yield replace(source, blocks=_guarded(source.blocks, path), runs=runs)


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
def open_placed(path: Path, arrays: Mapping[str, tuple[tuple[int, ...], str]], places: Places) -> Iterator[Source]:
    """Open a feature file whose `arrays` (name → shape, dtype name) were found at `places` before; needs no library.

    Raises: ArtifactError: missing, or shorter than the places say, also while an array is being read.
    """
    with ExitStack() as stack:
        with _damage_named(path):
            handle = stack.enter_context(path.open("rb", buffering=0)).fileno()

        yield Source("HDF5", arrays, _guarded(_placed(arrays, places, handle), path), places.get)


def _placed(arrays: Mapping[str, tuple[tuple[int, ...], str]], places: Places, handle: int) -> Blocks:
    def blocks(name: str) -> Iterator[NDArray[Any]]:
        shape, dtype = arrays[name]
        return run_blocks(places[name], handle, (shape[-2], shape[-1]), np.dtype(dtype))

    return blocks


@contextmanager
def _hdf5(path: Path) -> Iterator[Source]:
    with path.open("rb", buffering=0) as beside:
        handle = beside.fileno()
        source = _ordinary(handle)
        if source is not None:
            yield source
        else:
            with _by_library(path, handle) as source:
                yield source


def _ordinary(handle: int) -> Source | None:
    """An HDF5 file whose headers and places can all be read without the library."""
    try:
        headers, attrs = read_headers(handle)
    except Unusual:
        return None
    tables = {name: header for name, header in headers.items() if len(header.shape) > 1}
    places = {name: header_runs(header, handle) for name, header in tables.items()}
    blocks = {name: header_blocks(header, places[name], handle) for name, header in tables.items()}
    ways = {name: way for name, way in blocks.items() if way is not None}
    if len(ways) != len(tables):
        return None
    arrays = {name: (header.shape, header.dtype.name) for name, header in headers.items()}
    array_attrs = {name: header.attrs for name, header in headers.items()}
    return Source("HDF5", arrays, lambda name: ways[name](), places.get, attrs, array_attrs)


@contextmanager
def _by_library(path: Path, handle: int) -> Iterator[Source]:
    with h5py.File(path, "r") as file:
        sets = _datasets(file)
        arrays = {name: (item.shape, item.dtype.name) for name, item in sets.items() if item.dtype.kind in "fiu"}
        yield Source(
            "HDF5",
            arrays,
            lambda name: row_blocks(sets[name], handle),
            lambda name: row_runs(sets[name], handle),
            dict(file.attrs),
            {name: dict(sets[name].attrs) for name in arrays},
        )


def _datasets(group: Any, prefix: str = "", above: frozenset[int] = frozenset()) -> dict[str, Any]:
    """Name → dataset of everything below a group; links to elsewhere are left out.

    h5py's own visit measures the whole chunk index of every dataset, which takes longer than to read it.
    """
    found: dict[str, Any] = {}
    for name in group:
        if isinstance(name, bytes):  # not UTF-8, so no name that is looked for
            continue
        link = group.id.links.get_info(name.encode())
        if link.type != h5py.h5l.TYPE_HARD or link.u in above:
            continue
        item = group[name]
        if isinstance(item, h5py.Dataset):
            found[prefix + name] = item
        elif isinstance(item, h5py.Group):
            found |= _datasets(item, f"{prefix}{name}/", above | {link.u})
    return found


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
