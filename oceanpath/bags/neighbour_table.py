"""Nearest neighbours of all patches of a store, in a folder of their own that is computed once.

    neighbours.npy   [T, 8] int32: rows within the slide, nearest first, in the order of the store
    spacing.npy      [S] int32: distance of adjacent patches of each slide, level-0 pixels
    digest.txt       digest of the store, then those of the two files

The folder is named after the digest of the store, so that a table is never used with other coordinates.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from oceanpath.artifacts.patch_spacing import spacing_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.neighbours import K, nearest_rows
from oceanpath.errors import ArtifactError

NEIGHBOURS, SPACING, DIGEST = "neighbours.npy", "spacing.npy", "digest.txt"


class NeighbourTable:
    """The nearest neighbours and the patch spacing of each slide."""

    def __init__(self, neighbours: NDArray[np.int32], spacing: NDArray[np.int32], starts: NDArray[np.int64]) -> None:
        """`starts` is the first row of each slide."""
        self.neighbours, self.spacing, self.starts = neighbours, spacing, starts

    def of(self, number: int) -> NDArray[np.int32]:
        """Neighbours [n, 8] of the patches of a slide, as rows of that slide."""
        rows: NDArray[np.int32] = self.neighbours[self.starts[number] : self.starts[number + 1]]
        return rows


def neighbour_table(store: Store, folder: Path, note: Callable[[str], None] = lambda _: None) -> NeighbourTable | None:
    """The table of a store below `folder`, computed at the first call; None for a store without coordinates.

    `note` receives the size of a new table. Raises: ArtifactError: a file of the table has changed.
    """
    if not store.has_coords:
        return None
    digest = store.index.content_digest()
    path = folder / f"neighbours_{digest}"
    if not path.is_dir():
        made = _make(store, folder, digest)
        size = int(store.index.lengths.sum()) * K * 4
        share = K * 4 / (store.dim * store.dtype.itemsize)
        note(f"nearest neighbours of {len(store)} slides: {size / 1e6:.1f} MB, {share:.1%} of the features")
        made.rename(path)
    if (path / DIGEST).read_text(encoding="utf-8") != _digests(path, digest):
        raise ArtifactError("a table of neighbours has changed", where=path, do="Remove this folder.")
    starts = np.concatenate([[0], np.cumsum(store.index.lengths)])
    return NeighbourTable(np.load(path / NEIGHBOURS, mmap_mode="r"), np.load(path / SPACING), starts)


def _make(store: Store, folder: Path, digest: str) -> Path:
    """A new table in a temporary folder below `folder`."""
    path = folder / f"neighbours_{digest}.new"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    shape = (int(store.index.lengths.sum()), K)
    neighbours = np.lib.format.open_memmap(path / NEIGHBOURS, mode="w+", dtype=np.int32, shape=shape)
    spacing, first = np.ones(len(store), np.int32), 0
    store = Store(store.path, features=store.adopted_root, check=False)  # a check would read all features
    for number in range(len(store)):
        coords = store.coords(number)
        assert coords is not None, "the store has coordinates"
        neighbours[first : first + len(coords)] = nearest_rows(coords)
        spacing[number] = spacing_of(coords)
        first += len(coords)
    neighbours.flush()
    np.save(path / SPACING, spacing)
    (path / DIGEST).write_text(_digests(path, digest), encoding="utf-8")
    return path


def _digests(path: Path, digest: str) -> str:
    files = [xxhash.xxh3_128(np.load(path / name, mmap_mode="r").data).hexdigest() for name in (NEIGHBOURS, SPACING)]
    return "\n".join([digest, *files]) + "\n"
