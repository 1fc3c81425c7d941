"""Patches and their image for the tests of every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oceanpath.artifacts.patch_scores import PatchScores
from oceanpath.artifacts.score_images.raster import ScoreImage, SlidePlane, image_of

SIDE = 70.4
MPP = (0.2521, 0.2536)
SIZE = (9001, 4503)


def patches(n: int = 40) -> PatchScores:
    """Patches on a grid that does not begin at the corner, with attention and signed contributions."""
    rng = np.random.default_rng(0)
    places = rng.choice(100 * 50, n, replace=False)
    coords = np.rint(np.stack([places % 100, places // 100], axis=1) * SIDE + (1133, 611)).astype(np.int32)
    attention = rng.random(n).astype(np.float32)
    scores = {"attention": attention / attention.sum(), "contribution": rng.standard_normal(n)}
    return PatchScores("slide 1", coords, (SIDE, SIDE * MPP[0] / MPP[1]), scores)


def image(file: Path | None = None) -> ScoreImage:
    return image_of(patches(), SlidePlane(MPP, SIZE, file))


def centres(what: PatchScores, downsample: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels in the middle of the patches."""
    middle = (what.coords + np.asarray(what.footprint) / 2) / downsample
    return middle[:, 1].astype(int), middle[:, 0].astype(int)
