"""Source files of the bags of a store, and which of them are read in place.

    source_arrays.npz   one entry per slide: names (of the feature file, relative to the folder of features), digests
                        (xxh3-128 of the file's bytes), layout_codes (indices into layouts, descriptions of files),
                        run_starts [n + 1]; runs of bytes: run_offsets, run_sizes; recipe (digest of the settings that
                        determine bags)
    local/places.npz    root (the folder of features: absolute, or relative to the store), stamps [n, 3] (size,
                        modification time in ns, inode); valid on this machine only, so not sealed and in no digest

The features of slide `i` are read in place (referenced) if it has runs: the bytes `run_offsets[r]` to `run_offsets[r] +
run_sizes[r]` of its file for `r` in `run_starts[i]` to `run_starts[i + 1]`, in this order. A file with the recorded
stamp is unchanged; any other file is rejected unless it has the same digest.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.gather import is_published
from oceanpath.artifacts.store.columns import check_columns, map_columns, write_columns
from oceanpath.errors import ArtifactError, repair_remedy
from oceanpath.file_digests import xxh3_of_file
from oceanpath.hdf5.byte_runs import Runs

SOURCES = "source_arrays.npz"
PLACES = Path("local") / "places.npz"
Stamp = tuple[int, int, int]


class SourceFile(NamedTuple):
    """Source file of one bag."""

    name: str
    """Name of the file, relative to the folder of features."""
    digest: str
    """xxh3-128 of the file's bytes; "" if unknown."""
    layout: str
    """Description of the layout of the file."""
    runs: Runs | None
    """The bytes of its features, if they are read in place."""


@dataclass(frozen=True)
class SourceFiles:
    """The arrays of source_arrays.npz; one entry per slide unless the module docstring states otherwise."""

    names: NDArray[np.bytes_]
    digests: NDArray[np.bytes_]
    layouts: NDArray[np.bytes_]
    layout_codes: NDArray[np.int32]
    run_starts: NDArray[np.int64]
    run_offsets: NDArray[np.int64]
    run_sizes: NDArray[np.int64]
    recipe: str

    def save(self, path: Path) -> None:
        """Write source_arrays.npz below `path`."""
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        write_columns(path / SOURCES, arrays | {"recipe": np.asarray(self.recipe.encode())})

    @classmethod
    def load(cls, path: Path) -> SourceFiles:
        """Map source_arrays.npz below `path`. Raises: ArtifactError: missing, truncated or of another format."""
        columns: dict[str, Any] = dict(map_columns(path / SOURCES))
        if set(columns) != {field.name for field in fields(cls)}:
            raise ArtifactError("source_arrays.npz has an unknown format", where=path / SOURCES)
        return cls(**columns | {"recipe": columns["recipe"].item().decode()})

    @classmethod
    def of(cls, slides: Sequence[SourceFile], recipe: str) -> SourceFiles:
        """The columns of `slides`."""
        kinds = sorted({slide.layout for slide in slides})
        codes = {kind: code for code, kind in enumerate(kinds)}
        runs = [slide.runs for slide in slides if slide.runs is not None]
        counts = [0, *(0 if slide.runs is None else len(slide.runs.sizes) for slide in slides)]
        nothing = np.zeros(0, np.int64)
        return cls(
            names=np.array([os.fsencode(slide.name) for slide in slides], "S"),
            digests=np.array([slide.digest.encode() for slide in slides], "S"),
            layouts=np.array([kind.encode() for kind in kinds], "S"),
            layout_codes=np.array([codes[slide.layout] for slide in slides], np.int32),
            run_starts=np.cumsum(counts, dtype=np.int64),
            run_offsets=np.concatenate([nothing, *(run.offsets for run in runs)]),
            run_sizes=np.concatenate([nothing, *(run.sizes for run in runs)]),
            recipe=recipe,
        )

    def origins(self, rows: NDArray[np.int64]) -> list[SourceFile]:
        """The slides `rows`, one by one."""
        adopted, layouts = self.adopted()[rows].tolist(), [name.decode() for name in self.layouts.tolist()]
        names, digests = self.names[rows].tolist(), self.digests[rows].tolist()
        codes = self.layout_codes[rows].tolist()
        return [
            SourceFile(os.fsdecode(name), digest.decode(), layouts[code], self.runs(int(row)) if stays else None)
            for row, name, digest, code, stays in zip(rows, names, digests, codes, adopted, strict=True)
        ]

    def adopted(self) -> NDArray[np.bool_]:
        """[n]: whether the features are read in place."""
        return np.diff(self.run_starts) > 0

    def runs(self, i: int) -> Runs:
        """The bytes of the features of a referenced slide in its file."""
        at = slice(int(self.run_starts[i]), int(self.run_starts[i + 1]))
        return Runs.of(self.run_offsets[at], self.run_sizes[at])


def write_source_stamps(path: Path, root: str, stamps: Sequence[Stamp]) -> None:
    """Write local/places.npz below `path`: the folder of features and the stamp of each slide's file."""
    (path / PLACES).parent.mkdir(exist_ok=True)
    columns = {"root": np.asarray(os.fsencode(root)), "stamps": np.array(stamps, np.int64).reshape(-1, 3)}
    write_columns(path / PLACES, columns)


def read_stamps(path: Path) -> NDArray[np.int64] | None:
    """The stamp [n, 3] of each slide's file, or None if the store below `path` has no referenced bags."""
    return _read_places(path)[1] if (path / PLACES).is_file() else None


def _read_places(path: Path) -> tuple[str, NDArray[np.int64]]:
    check_columns(path / PLACES)
    places = map_columns(path / PLACES)
    if set(places) != {"root", "stamps"}:
        raise ArtifactError("local/places.npz has an unknown format", where=path / PLACES)
    return os.fsdecode(places["root"].item()), places["stamps"]


class ReferencedFiles:
    """Feature files that a store reads in place. No file stays open."""

    _root: Path

    def __init__(self, store: Path, root: Path | None = None) -> None:
        """`root` is the folder of features, if it is no longer the recorded one."""
        self.sources = SourceFiles.load(store)
        if (store / PLACES).is_file():
            remembered, self._stamps = _read_places(store)
            self._root = root or store / remembered
        elif root is not None:
            self._root, self._stamps = root, np.zeros((len(self.sources.names), 3), np.int64)
        else:
            do = "Pass their folder as Store(path, features=...), or build the store again with --force mmap."
            raise ArtifactError("the location of the store's feature files is unknown", where=store, do=do)
        self._accepted: dict[int, Stamp] = {}

    def path(self, i: int) -> Path:
        """The file of slide `i`."""
        return self._root / os.fsdecode(bytes(self.sources.names[i]))

    def features(self, i: int, dtype: np.dtype[Any], dim: int) -> NDArray[Any]:
        """The features [n, D] of slide `i`, read-only: a view of the mapped file if they are one run.

        Raises: ArtifactError: the file is missing, changed, or too short.
        """
        runs = self.sources.runs(i)
        with self._open(i) as handle:
            start = int(runs.offsets[0])
            if len(runs.sizes) == 1 and not start % dtype.alignment:
                data = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
                return np.frombuffer(data, dtype, runs.nbytes // dtype.itemsize, start).reshape(-1, dim)
            gathered = np.empty((runs.nbytes // dtype.itemsize // dim, dim), dtype)
            runs.read_into(handle, 0, gathered.data.cast("B"))
            gathered.flags.writeable = False
            return gathered

    def read(self, i: int, out: memoryview, start: int = 0) -> None:
        """Fill `out` with the feature bytes of slide `i` from byte `start`. Raises: as `features`."""
        with self._open(i) as handle:
            self.sources.runs(i).read_into(handle, start, out)

    def digest(self, i: int) -> str:
        """xxh3-128 of the file of slide `i` as it is now. Raises: ArtifactError: it cannot be read."""
        return file_digest(self.path(i))

    def verify(self, i: int) -> None:
        """Raise ArtifactError unless the file of slide `i` is unchanged, byte for byte."""
        if self.digest(i) != self.sources.digests[i].decode():
            do = "Restore the original file. To use the new one: `oceanpath ledger verify --deep`, then run again."
            do = repair_remedy(self._root.resolve()) if is_published(self._root) else do
            raise ArtifactError("a feature file changed since the store was built", where=self.path(i), do=do)

    @contextmanager
    def _open(self, i: int) -> Iterator[int]:
        try:
            handle = os.open(self.path(i), os.O_RDONLY)
            try:
                self._validate(i, handle)
                yield handle
            finally:
                os.close(handle)
        except (OSError, EOFError, ValueError) as error:
            do = "The store reads this file in place: restore it, or build the store again."
            raise ArtifactError(
                "a referenced feature file cannot be read", where=self.path(i), got=error, do=do
            ) from error

    def _validate(self, i: int, handle: int) -> None:
        """Reject a changed file; a file that was only copied or touched is accepted after it was read."""
        state = os.fstat(handle)
        stamp = (state.st_size, state.st_mtime_ns, state.st_ino)
        if stamp == tuple(self._stamps[i].tolist()) or stamp == self._accepted.get(i):
            return
        self.verify(i)
        self._accepted[i] = stamp


def file_digest(path: Path) -> str:
    """xxh3-128 hex digest of a file's bytes, as the pipeline digests them. Raises: ArtifactError: unreadable."""
    try:
        return xxh3_of_file(path)
    except OSError as error:
        raise ArtifactError("cannot be read", where=path, got=error.strerror) from error
