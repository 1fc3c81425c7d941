"""Bags whose label is the order of tissue in space: two classes touch in positives and are apart in negatives.

Tiles are features of real tissue, coordinates are those of real slides. One coordinate slide is tested, with a quarter
of the tiles of every class that no other bag has. Every positive has a negative with as many patches of both classes.
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
SIZES = 5, 20
"""Minimum and maximum number of patches of each of the two classes, which are one connected region each."""
APART = 3.0
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


def coordinate_slides(coords: Path) -> list[Path]:
    """The files with the coordinates of a slide each."""
    return sorted(coords.glob("*.h5"))


def write_bags(tiles: Path, coords: Path, out: Path, tested: int, count: int) -> None:
    """Write `count` bags per coordinate slide: features/, cohort.csv, and shuffled/features/ with other coordinates.

    train.csv is the part of cohort.csv without the bags of the slide `tested`.
    """
    every, files = read_tiles(tiles), coordinate_slides(coords)
    part = np.random.default_rng(0).permutation(len(every.classes)) % len(files)
    random, rows = np.random.default_rng([0, tested]), []
    for name in ("features", "shuffled/features"):
        (out / name).mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        with h5py.File(file) as h5:
            grid = np.unique(h5["coords"][:] // PITCH, axis=0)
        is_own = (part == tested) == (number == tested)
        own = Tiles(every.features[is_own], every.classes[is_own])
        for k in range(count):
            slide, label = f"s{number}_{k:03}", k % 2
            if not label:
                sizes = random.integers(SIZES[0], SIZES[1] + 1, len(CLASSES))
            cells, chosen = _bag(grid, own, (bool(label), sizes), random)
            at = (cells * PITCH).astype(np.int32)
            for name, places in (("features", at), ("shuffled/features", random.permutation(at))):
                with h5py.File(out / name / f"{slide}.h5", "w") as h5:
                    h5["features"], h5["coords"] = own.features[chosen], places
            rows.append((slide, f"p{number}_{k:03}", ("apart", "touching")[label], number))
    table = pd.DataFrame(rows, columns=["slide_id", "patient_id", "label", "fold"])
    table[table["fold"] != tested].to_csv(out / "train.csv", index=False)
    table.to_csv(out / "cohort.csv", index=False)  # last: it tells that the others are complete


def _bag(
    grid: Cells, tiles: Tiles, kind: tuple[bool, NDArray[np.int64]], random: Generator
) -> tuple[Cells, NDArray[np.int64]]:
    """Cells [n, 2] of a random crop, rotated and reflected, and a tile for each.

    `kind`: whether the two classes touch, and the number of patches of each.
    """
    touching, sizes = kind
    while True:
        centre = grid[random.integers(len(grid))]
        cells = grid[(np.abs(grid - centre) <= SIDE / 2).all(axis=1)]
        if len(cells) < LEAST:
            continue
        both = [_layout(cells, each, sizes, random) for each in (False, True)]
        layout = both[touching]
        if layout is not None and both[not touching] is not None:  # so that no size of crop prefers a label
            return _turned(cells, random), _draw(layout, tiles, random)


def _layout(cells: Cells, touching: bool, sizes: NDArray[np.int64], random: Generator) -> NDArray[np.str_] | None:
    """The class of each cell: a region of each of the two classes, and the rest; None if they do not fit."""
    distance = np.linalg.norm(cells[:, None] - cells[None], axis=2)
    classes = np.full(len(cells), REST, dtype="<U8")
    classes[_region(distance, np.full(len(cells), True), np.full(len(cells), True), sizes[0], random)] = CLASSES[0]
    free, near = classes == REST, distance[:, classes == CLASSES[0]].min(axis=1, initial=np.inf)
    second = _region(
        distance,
        free & (near <= 1.0) if touching else near >= APART,
        free & (touching | (near >= APART)),
        sizes[1],
        random,
    )
    if (classes == CLASSES[0]).sum() != sizes[0] or len(second) != sizes[1]:
        return None
    classes[second] = CLASSES[1]
    return classes


def _region(
    distance: NDArray[np.float64], first: NDArray[np.bool_], allowed: NDArray[np.bool_], size: int, random: Generator
) -> list[int]:
    """Connected cells, grown from one of `first` to those nearest to it that are `allowed`: `size`, or fewer."""
    if not first.any():
        return []
    cells = [int(random.choice(np.flatnonzero(first)))]
    far = distance[cells[0]] + random.random(len(distance))  # so that regions are not all discs
    while len(cells) < size:
        beside = allowed & (distance[cells].min(axis=0) == 1.0)
        if not beside.any():
            break
        cells.append(int(np.argmin(np.where(beside, far, np.inf))))
    return cells


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
