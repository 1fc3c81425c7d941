"""The store: all bags of a cohort in a few flat files, read by memory map.

    features_000.bin …   rows of features [n, D], little-endian float16 or float32; each bag starts on a 4096-byte page
    coords_000.bin …     rows of coords [n, 2] int32, level-0 pixels, top-left; absent when no slide has coords
    index_arrays.npz     no pickle: format, slide_ids (bytes, sorted), lengths, raw_lengths, chunk_ids, feature_offsets,
                         coord_offsets (bytes from the start of the chunk), digests (xxh3-128 of a bag's features then
                         coords), feature_dim, feature_dtype, has_coords, patch_px_level0 (NaN when unknown), encoder

A bag never crosses a chunk. `raw_lengths` counts the patches before capping.
"""

from __future__ import annotations

import os
import weakref
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError

FORMAT = 1
PAGE = 4096
COORD_BYTES = 8
DTYPES = ("float16", "float32")


@dataclass(frozen=True)
class Index:
    """The arrays of index_arrays.npz; one entry a slide unless it says otherwise."""

    slide_ids: NDArray[np.bytes_]
    lengths: NDArray[np.int64]
    raw_lengths: NDArray[np.int64]
    chunk_ids: NDArray[np.int64]
    feature_offsets: NDArray[np.int64]
    coord_offsets: NDArray[np.int64]
    digests: NDArray[np.bytes_]
    patch_px_level0: NDArray[np.float64]
    feature_dim: int
    feature_dtype: str
    has_coords: bool
    encoder: str

    def save(self, path: Path) -> None:
        """Write index_arrays.npz below `path`."""
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        arrays["feature_dtype"] = np.asarray(self.feature_dtype.encode())
        arrays["encoder"] = np.asarray(self.encoder.encode())
        np.savez(path / "index_arrays.npz", format=np.asarray(FORMAT), **arrays)  # type: ignore[arg-type]  # numpy types **kwds as bool

    @classmethod
    def load(cls, path: Path) -> Index:
        """Read index_arrays.npz below `path`.

        Raises: ArtifactError: missing, damaged or of another format.
        """
        where = path / "index_arrays.npz"
        try:
            with where.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ArtifactError("the store has no readable index", where=where, got=error) from error
        if int(found.pop("format", -1)) != FORMAT or set(found) != {field.name for field in fields(cls)}:
            raise ArtifactError("unknown store format", where=where, expected=FORMAT)
        found["feature_dim"] = int(found["feature_dim"])
        found["has_coords"] = bool(found["has_coords"])
        for name in ("feature_dtype", "encoder"):
            found[name] = found[name].item().decode()
        return cls(**found)


class Store:
    """Bags by number or by slide id, as views of mapped memory: nothing is copied, nothing is held open twice."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.index = Index.load(self.path)
        self.slide_ids = [name.decode() for name in self.index.slide_ids.tolist()]
        self._numbers = {name: i for i, name in enumerate(self.slide_ids)}
        self._maps: dict[str, NDArray[np.uint8]] = {}
        self._files: dict[str, int] = {}
        weakref.finalize(self, _close, self._files)

    def __len__(self) -> int:
        return len(self.slide_ids)

    def __getstate__(self) -> Path:
        """Only the path travels to a worker; it maps the files itself."""
        return self.path

    def __setstate__(self, path: Path) -> None:
        self.__init__(path)  # type: ignore[misc]  # the one way to rebuild from the path

    @property
    def dim(self) -> int:
        """Length D of a patch feature."""
        return self.index.feature_dim

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """The numpy dtype of the features on disk."""
        return np.dtype(self.index.feature_dtype)

    @property
    def has_coords(self) -> bool:
        """Whether patches have a place."""
        return self.index.has_coords

    def number(self, slide_id: str) -> int:
        """Position of a slide. Raises: ArtifactError: the store has no such slide."""
        if slide_id not in self._numbers:
            raise ArtifactError("no such slide in the store", where=self.path, got=slide_id)
        return self._numbers[slide_id]

    def length(self, i: int) -> int:
        """Number of patches n of slide `i`."""
        return int(self.index.lengths[i])

    def features(self, i: int) -> NDArray[np.floating]:
        """Features [n, D] of slide `i`, a read-only view."""
        size = self.length(i) * self.dim * self.dtype.itemsize
        raw = self._slice("features", i, int(self.index.feature_offsets[i]), size)
        return raw.view(self.dtype).reshape(-1, self.dim)

    def coords(self, i: int) -> NDArray[np.int32] | None:
        """Level-0 top-left pixels [n, 2] of slide `i`, a read-only view; None when the store has none."""
        if not self.has_coords:
            return None
        raw = self._slice("coords", i, int(self.index.coord_offsets[i]), self.length(i) * COORD_BYTES)
        return raw.view(np.int32).reshape(-1, 2)

    def read_features(self, i: int, out: memoryview, start: int = 0) -> None:
        """Fill `out` with the feature bytes of slide `i` from byte `start` on, without mapping them.

        Memory that is reused needs no page faults, and other threads run meanwhile: twice as fast as copying a view.

        Raises: ArtifactError: the chunk file cannot be read or is too short.
        """
        name, offset = chunk_name("features", int(self.index.chunk_ids[i])), start + int(self.index.feature_offsets[i])
        if name not in self._files:
            try:
                handle = os.open(self.path / name, os.O_RDONLY)
            except OSError as error:
                raise ArtifactError("a chunk of the store cannot be read", where=self.path / name, got=error) from error
            if self._files.setdefault(name, handle) != handle:  # another thread was first
                os.close(handle)
        while out:
            got = os.preadv(self._files[name], [out], offset)
            if not got:
                raise ArtifactError("a chunk of the store is too short", where=self.path / name, expected=offset + 1)
            out, offset = out[got:], offset + got

    def digest(self, i: int) -> str:
        """xxh3-128 of the bytes of slide `i` as they are on disk now."""
        coords = self.coords(i)
        return bag_digest(self.features(i), coords)

    def _slice(self, kind: str, i: int, offset: int, size: int) -> NDArray[np.uint8]:
        name = chunk_name(kind, int(self.index.chunk_ids[i]))
        if name not in self._maps:
            try:
                self._maps[name] = np.asarray(np.memmap(self.path / name, dtype=np.uint8, mode="r"))  # slices at once
            except (OSError, ValueError) as error:
                raise ArtifactError(
                    "a chunk of the store cannot be mapped", where=self.path / name, got=error
                ) from error
        found = self._maps[name][offset : offset + size]
        if len(found) != size:
            raise ArtifactError("a chunk of the store is too short", where=self.path / name, expected=offset + size)
        return found


def _close(files: dict[str, int]) -> None:
    for handle in files.values():
        os.close(handle)


def chunk_name(kind: str, number: int) -> str:
    """File name of a chunk; `kind` is ``features`` or ``coords``."""
    return f"{kind}_{number:03d}.bin"


def bag_digest(features: NDArray[np.floating], coords: NDArray[np.int32] | None) -> str:
    """xxh3-128 hex digest of a bag: its feature bytes, then its coordinate bytes."""
    digest = xxhash.xxh3_128(np.ascontiguousarray(features).data)
    if coords is not None:
        digest.update(np.ascontiguousarray(coords).data)
    return digest.hexdigest()


def check(path: Path) -> None:
    """Read back every bag below `path` and compare it with its digest.

    Raises: ArtifactError: a chunk is short, a bag differs from its digest, or a value is not finite.
    """
    store = Store(path)
    for i, slide in enumerate(store.slide_ids):
        if store.digest(i) != store.index.digests[i].decode():
            raise ArtifactError("a bag differs from its digest", where=path, got=slide, do="Rebuild with --force mmap.")
