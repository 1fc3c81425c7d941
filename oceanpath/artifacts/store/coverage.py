"""Kept patches of slides: the coordinates of feature files compared with those in the store built from them.

    coverage.csv   slide_id, n_total, n_kept, n_discarded, coverage_pct, was_capped, cells, cells_kept

`cells` counts the cells with patches in a 32 × 32 grid over the slide's patches, `cells_kept` those with kept patches.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.files import open_bag, scan_features
from oceanpath.artifacts.features.sources import open_source
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError

COLUMNS = ("slide_id", "n_total", "n_kept", "n_discarded", "coverage_pct", "was_capped", "cells", "cells_kept")
GRID = 32


@dataclass(frozen=True)
class Coverage:
    """Patches of one slide, and which of them are in the store."""

    slide_id: str
    coords: NDArray[np.int32]
    """[N, 2] level-0 pixels of all patches of the file."""
    kept: NDArray[np.bool_]
    """[N]."""
    mpp: float | None = None
    """Micrometres per level-0 pixel, if the file states it."""

    @property
    def percent(self) -> float:
        """Percentage of kept patches."""
        return 100.0 * float(self.kept.mean())

    def row(self) -> dict[str, object]:
        """The slide's line of coverage.csv."""
        total, kept = len(self.kept), int(self.kept.sum())
        cells = _cells(self.coords)
        values = (self.slide_id, total, kept, total - kept, f"{self.percent:.4f}", int(kept < total))
        return dict(zip(COLUMNS, (*values, len(np.unique(cells)), len(np.unique(cells[self.kept]))), strict=True))


def coverage_of(path: Path, store: Store, features_key: str = "") -> Coverage | None:
    """Patches of the feature file at `path` that `store` kept; None if one of the two has no coordinates.

    `features_key` names the array of features, if the file has several.

    Raises: ArtifactError: the file is damaged, the store has no such slide, or was built from another file.
    """
    file = scan_features(path, features_key)
    number = store.number(file.slide_id)
    with open_bag(file) as bag:
        coords = bag.coords()
    stored = store.coords(number)
    if coords is None or stored is None:
        return None
    if int(store.index.raw_lengths[number]) != len(coords):
        do = "Give the folder of features that the store was built from."
        expected, got = f"{store.index.raw_lengths[number]} patches", len(coords)
        raise ArtifactError("the store was built from another file", where=path, expected=expected, got=got, do=do)
    kept = kept_rows(coords, stored, path)
    with open_source(path) as source:
        mpp = source.attrs.get("mpp_x")
    return Coverage(file.slide_id, coords, kept, None if mpp is None else float(mpp))


def kept_rows(coords: NDArray[np.int32], stored: NDArray[np.int32], where: Path) -> NDArray[np.bool_]:
    """Rows of `coords` [N, 2] that are among `stored` [n, 2]; each stored coordinate accounts for one row, the first.

    Raises: ArtifactError: a stored coordinate is not among `coords`.
    """
    all_keys, stored_keys = _keys(coords), _keys(stored)
    places, counts = np.unique(stored_keys, return_counts=True)
    order = np.argsort(all_keys, kind="stable")
    ordered = all_keys[order]
    rank = np.arange(len(all_keys)) - np.searchsorted(ordered, ordered)  # among equal coordinates
    at = np.searchsorted(places, ordered).clip(max=len(places) - 1)
    kept = np.zeros(len(all_keys), bool)
    kept[order] = (places[at] == ordered) & (rank < counts[at])
    if int(kept.sum()) != len(stored_keys):
        do = "Give the folder of features that the store was built from."
        raise ArtifactError("the store has patches at coordinates that are not in the file", where=where, do=do)
    return kept


def write_coverage(path: Path, rows: Iterable[dict[str, object]]) -> None:
    """Write coverage.csv."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _keys(coords: NDArray[np.int32]) -> NDArray[np.int64]:
    wide = coords.astype(np.int64)
    return wide[:, 0] * 2**32 + wide[:, 1]


def _cells(coords: NDArray[np.int32]) -> NDArray[np.int64]:
    low = coords.min(axis=0).astype(np.int64)
    extent = np.maximum(coords.max(axis=0).astype(np.int64) - low + 1, 1)
    x, y = ((coords.astype(np.int64) - low) * GRID // extent).T
    cells: NDArray[np.int64] = y * GRID + x
    return cells
