"""Bags whose label is the order of tissue in space: two classes touch in positives and are apart in negatives.

Tiles are features of real tissue, coordinates are those of real slides. Each coordinate slide has a quarter of the
tiles of every class of its own, so that bags of different slides share neither tiles nor coordinates.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

PITCH = 512
"""Level-0 pixels between two patches."""
SIDE = 9
"""Cells per side of a crop."""
LEAST = 60
"""Minimum number of patches of a bag."""
CLUMPS = 8
"""Pairs of patches of each of the two classes per bag."""
APART = 2.0
"""Minimum distance of the two classes in negatives, in cells."""
CLASSES = ("TUMOR", "LYMPHO")
REST = "STROMA"
"""The tissue around them."""

Cells = NDArray[np.int64]


class Tiles(NamedTuple):
    """Features of tiles and their tissue classes."""

    features: NDArray[np.float32]
    classes: NDArray[np.str_]


def read_tiles(path: Path) -> Tiles:
    """All tiles, standardised; columns with missing values are dropped."""
    blocks = np.load(path)
    names = ("histogram_lower", "histogram_higher", "f_lbp", "glcmRotInv", "GaborRotInv", "perceptual")
    features = np.concatenate([blocks[name] for name in names], axis=1)
    features = features[:, ~np.isnan(features).any(axis=0)]
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    return Tiles(scaled.astype(np.float32), blocks["classes"][blocks["y"]])


def write_bags(tiles: Path, coords: Path, out: Path, count: int, seed: int) -> None:
    """Write `count` bags per coordinate slide: features/, cohort.csv, and shuffled/features/ with other coordinates.

    splits/ has a split file for each coordinate slide, which it leaves out.
    """
    every, random = read_tiles(tiles), np.random.default_rng(seed)
    files = sorted(coords.glob("*.h5"))
    part = random.permutation(len(every.classes)) % len(files)
    rows = []
    for name in ("features", "shuffled/features"):
        (out / name).mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        with h5py.File(file) as h5:
            grid = np.unique(h5["coords"][:] // PITCH, axis=0)
        own = Tiles(every.features[part == number], every.classes[part == number])
        for k in range(count):
            slide, label = f"s{number}_{k:03}", k % 2
            cells, chosen = _bag(grid, own, bool(label), random)
            at = (cells * PITCH).astype(np.int32)
            for name, places in (("features", at), ("shuffled/features", random.permutation(at))):
                with h5py.File(out / name / f"{slide}.h5", "w") as h5:
                    h5["features"], h5["coords"] = own.features[chosen], places
            rows.append((slide, f"p{number}_{k:03}", ("apart", "touching")[label], number))
    table = pd.DataFrame(rows, columns=["slide_id", "patient_id", "label", "fold"])
    table.to_csv(out / "cohort.csv", index=False)
    (out / "splits").mkdir(exist_ok=True)
    for number in range(len(files)):
        _split(table, number).to_csv(out / "splits" / f"splits_{number}.csv", index=False)


def _split(table: pd.DataFrame, tested: int) -> pd.DataFrame:
    """The roles of one fold, which tests a coordinate slide and validates on every tenth of the other bags."""
    rest = table.loc[table["fold"] != tested, "slide_id"].reset_index(drop=True)
    validates = rest.index % 10 == 0
    roles = {"train": rest[~validates], "val": rest[validates], "test": table.loc[table["fold"] == tested, "slide_id"]}
    return pd.DataFrame({role: ids.reset_index(drop=True) for role, ids in roles.items()})


def _bag(grid: Cells, tiles: Tiles, touching: bool, random: Generator) -> tuple[Cells, NDArray[np.int64]]:
    """Cells [n, 2] of a random crop, rotated and reflected, and a tile for each."""
    while True:
        centre = grid[random.integers(len(grid))]
        cells = grid[(np.abs(grid - centre) <= SIDE / 2).all(axis=1)]
        if len(cells) < LEAST:
            continue
        both = [_layout(cells, each, random) for each in (False, True)]
        layout = both[touching]
        if layout is not None and both[not touching] is not None:  # so that no size of crop prefers a label
            return _turned(cells, random), _draw(layout, tiles, random)


def _layout(cells: Cells, touching: bool, random: Generator) -> NDArray[np.str_] | None:
    """The class of each cell: pairs of neighbours of both classes, and the rest; None if they do not fit."""
    distance = np.linalg.norm(cells[:, None] - cells[None], axis=2)
    classes, free = np.full(len(cells), REST, dtype="<U8"), np.ones(len(cells), bool)
    for _ in range(CLUMPS):
        for own, other in (CLASSES, CLASSES[::-1]):
            near = distance[:, classes == other].min(axis=1, initial=np.inf)
            allowed = free & ((near <= 1.0) if touching and own == CLASSES[1] else np.full(len(cells), True))
            if not touching:
                allowed &= near >= APART
            pair = _pair(distance, allowed, free & (touching | (near >= APART)), random)
            if pair is None:
                return None
            classes[pair], free[pair] = own, False
    return classes


def _pair(
    distance: NDArray[np.float64], first: NDArray[np.bool_], second: NDArray[np.bool_], random: Generator
) -> list[int] | None:
    """Two neighbouring cells, one of `first` and one of `second`."""
    for one in random.permutation(np.flatnonzero(first)):
        beside = np.flatnonzero(second & (distance[one] == 1.0))
        if len(beside):
            return [int(one), int(random.choice(beside))]
    return None


def _turned(cells: Cells, random: Generator) -> Cells:
    """A random one of the eight rotations and reflections; coordinates from 0."""
    turned = cells[:, ::-1] if random.random() < 0.5 else cells
    turned = turned * random.choice([-1, 1], size=2)
    from_zero: Cells = turned - turned.min(axis=0)
    return from_zero


def _draw(layout: NDArray[np.str_], tiles: Tiles, random: Generator) -> NDArray[np.int64]:
    """A tile of the class of each cell."""
    pools = {name: np.flatnonzero(tiles.classes == name) for name in (*CLASSES, REST)}
    return np.array([random.choice(pools[name]) for name in layout])
