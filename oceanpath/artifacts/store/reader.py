"""The store: all bags of a cohort in a few flat, memory-mapped files.

    features_000.bin …   rows of features [n, D], little-endian float16, bfloat16 or float32; each bag starts on a
                         4096-byte page
    coords_000.bin …     rows of coords [n, 2] int32, level-0 pixels, top-left; absent if no slide has coords
    index_arrays.npz     memory-mapped arrays, no pickle: format, slide_ids (bytes, sorted), lengths, raw_lengths,
                         chunk_ids, feature_offsets (bytes from the start of the chunk; -1 for features in their
                         own file), coord_offsets, digests, feature_dim, feature_dtype, has_coords, patch_px_level0
                         (NaN if unknown), encoder, check_reads (no longer used)
    source_arrays.npz    the feature files of the bags, see "Source files"

A bag never crosses a chunk. `raw_lengths` counts the patches before capping. `digests` are xxh3-128 of a bag's features
as stored, then its coords; of a referenced bag, of the hex digest of its file, then the coords. bfloat16 is stored
as the upper 16 bits of float32. Chunks of features may be in object storage, see `oceanpath.artifacts.store.remote`.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from oceanpath.artifacts.gather import is_published
from oceanpath.artifacts.left_out import read_left_out
from oceanpath.artifacts.store.bfloat16 import as_numbers
from oceanpath.artifacts.store.blank_slides import read_blank
from oceanpath.artifacts.store.index import Index, chunk_name
from oceanpath.artifacts.store.remote import RemoteFeatures, is_remote
from oceanpath.artifacts.store.source_files import ReferencedFiles, SourceFiles
from oceanpath.errors import ArtifactError, repair_remedy

__all__ = ["Index", "Store", "bag_digest", "check", "chunk_name", "stored_dtype"]

PAGE = 4096
COORD_BYTES = 8
COORD_ALIGN = 64
BLOCK_ROWS = 4096


class Store:
    """Bags by number or by slide id, as views of mapped memory, without copies."""

    def __init__(self, path: Path, *, features: Path | None = None, check: bool = True) -> None:
        """Folder of the store, folder of its referenced files, and whether to verify a bag at its first read.

        Raises: ArtifactError: the index is missing, damaged or of another format.
        """
        self.path, self.adopted_root = Path(path), features
        self.index = Index.load(self.path)
        self.checks = check
        self._checked: set[int] = set()
        self._checking: dict[int, Lock] = {}
        self._maps: dict[str, NDArray[np.uint8]] = {}
        self._files: dict[str, int] = {}
        weakref.finalize(self, _close, self._files)

    def __len__(self) -> int:
        return len(self.index.slide_ids)

    def __getstate__(self) -> tuple[Path, Path | None, bool]:
        """Only the paths are sent to a worker process, which maps the files itself."""
        return self.path, self.adopted_root, self.checks

    def __setstate__(self, state: tuple[Path, Path | None, bool]) -> None:
        self.__init__(state[0], features=state[1], check=state[2])  # type: ignore[misc]  # the only way to rebuild

    @property
    def dim(self) -> int:
        """Length D of a patch feature."""
        return self.index.feature_dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of the features on disk; uint16 for bfloat16, which numpy lacks."""
        return stored_dtype(self.index.feature_dtype)

    @cached_property
    def slide_ids(self) -> list[str]:
        """All ids in order; takes 100 bytes of memory per slide, unlike `slide_id`."""
        return [name.decode() for name in self.index.slide_ids.tolist()]

    @property
    def has_coords(self) -> bool:
        """Whether patches have coordinates."""
        return self.index.has_coords

    def number(self, slide_id: str) -> int:
        """Position of a slide. Raises: ArtifactError: the store has no such slide."""
        position = self.index.find(slide_id)
        if position is None:
            raise ArtifactError("no such slide in the store", where=self.path, got=slide_id)
        return position

    def slide_id(self, i: int) -> str:
        """The id of slide `i`."""
        return self.index.slide_id(i)

    def length(self, i: int) -> int:
        """Number of patches n of slide `i`."""
        return int(self.index.lengths[i])

    def features(self, i: int) -> NDArray[np.floating]:
        """Features [n, D] of slide `i`: as `stored`, except that bfloat16 becomes float32, exactly."""
        stored = self.stored(i)
        return as_numbers(stored, self.index.feature_dtype)

    def stored(self, i: int) -> NDArray[Any]:
        """Features [n, D] of slide `i` as stored on disk, of type `dtype`, read-only; a view if they are contiguous.

        Raises: ArtifactError: a file is missing, too short or, with `check`, changed.
        """
        self._check_once(i)
        return self._stored(i)

    def coords(self, i: int) -> NDArray[np.int32] | None:
        """Level-0 top-left pixels [n, 2] of slide `i`, a read-only view; None if the store has none.

        Raises: ArtifactError: as `stored`.
        """
        self._check_once(i)
        return self._coords(i)

    def _coords(self, i: int) -> NDArray[np.int32] | None:
        if not self.has_coords:
            return None
        raw = self._slice("coords", i, int(self.index.coord_offsets[i]), self.length(i) * COORD_BYTES)
        return raw.view(np.int32).reshape(-1, 2)

    def read_features(self, i: int, out: memoryview, start: int = 0) -> None:
        """Fill `out` with the feature bytes of slide `i`, as stored, from byte `start`, without mapping them.

        Reused memory needs no page faults, and other threads run meanwhile: twice as fast as copying a view.

        Raises: ArtifactError: as `stored`.
        """
        self._check_once(i)
        offset = int(self.index.feature_offsets[i])
        if offset < 0:
            self._adopted.read(i, out, start)
            return
        chunk, offset = self._chunk("features", i), offset + start
        name = chunk.name
        if name not in self._files:
            try:
                handle = os.open(chunk, os.O_RDONLY)
            except OSError as error:
                raise ArtifactError("a chunk of the store cannot be read", where=chunk, got=error) from error
            if self._files.setdefault(name, handle) != handle:  # another thread opened it first
                os.close(handle)
        while out:
            got = os.preadv(self._files[name], [out], offset)
            if not got:
                raise ArtifactError("a chunk of the store is too short", where=chunk, expected=offset + 1)
            out, offset = out[got:], offset + got

    def take(self, i: int, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Fill `out` [m, D] with the sorted `rows` of the features of slide `i`, as stored.

        Raises: ArtifactError: as `stored`.
        """
        # "clip" writes into `out` directly; "raise" would need a second array
        np.take(self.stored(i), rows, axis=0, out=out, mode="clip")

    def expect(self, numbers: Iterable[int]) -> None:
        """Fetch the features of these slides in advance, in the order of their first use, if they are remote."""
        if self._remote is not None:
            self._remote.expect(numbers)

    def digest(self, i: int) -> str:
        """xxh3-128 of the bytes of slide `i` as they are on disk now; see the module docstring."""
        if self.index.feature_offsets[i] < 0:
            return referenced_digest(self._adopted.digest(i), self._coords(i))
        return bag_digest(self._stored(i), self._coords(i))

    def verify(self, i: int) -> None:
        """Raise unless slide `i` is unchanged and finite.

        Raises: ArtifactError: a byte of its bag or its file differs, or a referenced file has NaN or inf.
        """
        if self.digest(i) != self.index.digests[i].decode():
            if self.index.feature_offsets[i] < 0:
                self._adopted.verify(i)
            where = self._chunk("features", i)
            do = repair_remedy(self.path.resolve()) if is_published(self.path) else "Build the store again."
            do = do if self._remote is None else f"Remove {where.parent}; if it happens again, upload the store again."
            raise ArtifactError("a bag differs from its digest", where=where, got=self.slide_id(i), do=do)
        if self.index.feature_offsets[i] < 0:  # copied features were checked when they were written
            self._validate_finite(i)

    def _validate_finite(self, i: int) -> None:
        features = self._stored(i)
        blocks = range(0, len(features), BLOCK_ROWS)
        if not all(np.isfinite(features[start : start + BLOCK_ROWS]).all() for start in blocks):
            raise ArtifactError("features are NaN or infinite", where=self._adopted.path(i), got=self.slide_id(i))

    @cached_property
    def _adopted(self) -> ReferencedFiles:
        return ReferencedFiles(self.path, self.adopted_root)

    def _check_once(self, i: int) -> None:
        if self.checks and i not in self._checked:
            with self._checking.setdefault(i, Lock()):  # concurrent readers of a bag wait for one of them
                if i not in self._checked:
                    self.verify(i)
                    self._checked.add(i)
            self._checking.pop(i, None)

    def _stored(self, i: int) -> NDArray[Any]:
        offset = int(self.index.feature_offsets[i])
        if offset < 0:
            return self._adopted.features(i, self.dtype, self.dim)
        raw = self._slice("features", i, offset, self.length(i) * self.dim * self.dtype.itemsize)
        return raw.view(self.dtype).reshape(-1, self.dim)

    def _slice(self, kind: str, i: int, offset: int, size: int) -> NDArray[np.uint8]:
        chunk = self._chunk(kind, i)
        if chunk.name not in self._maps:
            try:
                self._maps[chunk.name] = np.asarray(np.memmap(chunk, dtype=np.uint8, mode="r"))  # slices in one read
            except (OSError, ValueError) as error:
                raise ArtifactError("a chunk of the store cannot be mapped", where=chunk, got=error) from error
        view = self._maps[chunk.name][offset : offset + size]
        if len(view) != size:
            raise ArtifactError("a chunk of the store is too short", where=chunk, expected=offset + size)
        return view

    def _chunk(self, kind: str, i: int) -> Path:
        """The file with the features or the coords of slide `i`; remote features are fetched first."""
        folder = self.path if self._remote is None or kind != "features" else self._remote.fetch(i)
        return folder / chunk_name(kind, int(self.index.chunk_ids[i]))

    @cached_property
    def _remote(self) -> RemoteFeatures | None:
        return RemoteFeatures(self.path, self.index, self.dim * self.dtype.itemsize) if is_remote(self.path) else None


def _close(files: dict[str, int]) -> None:
    for handle in files.values():
        os.close(handle)


def stored_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype of a store's feature type."""
    return np.dtype(np.uint16 if name == "bfloat16" else name)


def bag_digest(features: NDArray[Any], coords: NDArray[np.int32] | None) -> str:
    """xxh3-128 hex digest of a bag: its feature bytes, then its coordinate bytes."""
    digest = xxhash.xxh3_128(np.ascontiguousarray(features).data)
    if coords is not None:
        digest.update(np.ascontiguousarray(coords).data)
    return digest.hexdigest()


def referenced_digest(file: str, coords: NDArray[np.int32] | None) -> str:
    """xxh3-128 hex digest of a referenced bag: the hex digest of its file, then its coordinate bytes."""
    return bag_digest(np.frombuffer(file.encode(), np.uint8), coords)


def digest_content(path: Path) -> str:
    """The content digest of the store below `path`: its bags, and the lists of slides without bags.

    Raises: ArtifactError: its index cannot be read.
    """
    bags, blank, left_out = Index.load(path).content_digest(), read_blank(path), read_left_out(path)
    if not blank and not left_out:
        return bags
    return xxhash.xxh3_128("\n".join([bags, *blank, left_out.text()]).encode()).hexdigest()


def check(path: Path) -> None:
    """Read every bag below `path` again and compare it with its digest; not referenced files and remote features.

    Bags in hard-linked chunks are not read: they were verified when first published.

    Raises: ArtifactError: a chunk is too short, a bag differs from its digest, or the index is damaged.
    """
    Index.check(path)
    if is_remote(path):
        return
    store, sources = Store(path, check=False), None
    for i in np.flatnonzero(~np.isin(store.index.chunk_ids, _linked_chunks(path))).tolist():
        if store.index.feature_offsets[i] >= 0:
            store.verify(i)
            continue
        sources = sources or SourceFiles.load(path)
        if referenced_digest(sources.digests[i].decode(), store._coords(i)) != store.index.digests[i].decode():
            raise ArtifactError("the coordinates of a bag differ from its digest", where=path, got=store.slide_id(i))


def _linked_chunks(path: Path) -> list[int]:
    chunks = [chunk for chunk in path.glob("*_*.bin") if chunk.stat().st_nlink > 1]
    return sorted({int(chunk.stem.rpartition("_")[2]) for chunk in chunks})
