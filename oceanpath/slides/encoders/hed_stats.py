"""64 numbers about the stains of a patch, without weights: levels, contrast and texture after colour deconvolution.

Colour deconvolution: Ruifrok and Johnston 2001. For haematoxylin, eosin and the residual: mean, deviation, five
percentiles, skewness, mean step to the neighbour at 1, 2, 4 and 8 px, deviation of block means of 8, 16 and 32 px;
then histograms of haematoxylin and eosin (8 bins each) and the three correlations. What describes the distribution
looks at every second row and column, what describes texture at all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.slides.colour import stain_matrix
from oceanpath.slides.encoders.card import Card, EncoderOptions
from oceanpath.slides.threads import usable_cores

NAME, DIM = "hed_stats", 64
PERCENTILES = (5, 25, 50, 75, 95)
STEPS = (1, 2, 4, 8)
BLOCKS = (8, 16, 32)
BINS = 8
RANGE = (0.0, 1.6)
"""Optical density that the histograms span."""
_DENSITY = -np.log10(np.maximum(np.arange(256), 1) / 255).astype(np.float32)
_UNMIX = np.linalg.inv(stain_matrix()).astype(np.float32)


class HedStats:
    """The encoder; the same on every device."""

    name, dim, input_px, batch_size = NAME, DIM, 0, 16
    revision, weights_sha256 = "", ""

    def __init__(self) -> None:
        self.threads = usable_cores()

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, 64] of patches [B, P, P, 3]."""
        return np.stack([_describe(patch) for patch in patches]).astype(np.float16)


def build(_: Card, __: str, ___: EncoderOptions) -> HedStats:
    """The encoder; it runs on the CPU in its own precision, whatever is asked."""
    return HedStats()


def _describe(patch: NDArray[np.uint8]) -> NDArray[np.float64]:
    stains = np.ascontiguousarray((_DENSITY[patch] @ _UNMIX).transpose(2, 0, 1))
    flat = np.ascontiguousarray(stains[:, ::2, ::2]).reshape(3, -1)
    mean = flat.mean(axis=1)
    spread = flat.std(axis=1) + 1e-6
    centred = (flat - mean[:, None]) / spread[:, None]
    skew = (centred * centred * centred).mean(axis=1)
    ordered = np.sort(flat, axis=1)
    levels = [ordered[:, round(p / 100 * (flat.shape[1] - 1))] for p in PERCENTILES]
    steps = [np.abs(stains[:, :, s:] - stains[:, :, :-s]).mean(axis=(1, 2)) for s in STEPS]
    blocks = [_block_spread(stains, side) for side in BLOCKS]
    cuts = np.linspace(*RANGE, BINS + 1)[1:-1]
    bins = [np.diff(np.searchsorted(ordered[i], cuts), prepend=0, append=flat.shape[1]) / flat.shape[1] for i in (0, 1)]
    crossed = [(centred[i] * centred[j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))]
    parts = [mean, spread, *levels, skew, *steps, *blocks, *bins, crossed]
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def _block_spread(stains: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Deviation of the means of `side` × `side` blocks, a stain each; a patch narrower than a block is one block."""
    side = min(side, stains.shape[1], stains.shape[2])
    rows, columns = stains.shape[1] // side, stains.shape[2] // side
    cut = stains[:, : rows * side, : columns * side].reshape(3, rows, side, columns, side)
    spread: NDArray[np.float32] = cut.mean(axis=(2, 4)).reshape(3, -1).std(axis=1)
    return spread
