"""64 statistics of the stains of a patch, without weights: levels, contrast and texture after colour deconvolution.

Colour deconvolution: Ruifrok and Johnston 2001. For haematoxylin, eosin and the residual: mean, standard deviation,
five percentiles, skewness, mean difference to the pixel 1, 2, 4 and 8 px below, standard deviation of block means of 8,
16 and 32 px; then histograms of haematoxylin and eosin (8 bins each) and the three correlations. Every second column is
used, and for the distribution every second row of it. Percentiles are exact to half of `TICK`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.cores import usable_cores
from oceanpath.slides.colour import stain_matrix
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec

NAME, DIM = "hed_stats", 64
PERCENTILES = (5, 25, 50, 75, 95)
STEPS = (1, 2, 4, 8)
BLOCKS = (8, 16, 32)
BINS = 8
RANGE = (0.0, 1.6)
"""Range of optical density of the histograms."""
TICK = 1 / 1024
"""Resolution in optical density of percentiles and histograms; that of float16 near 1."""
_DENSITY = -np.log10(np.maximum(np.arange(256), 1) / 255).astype(np.float32)
_SHARES = np.linalg.inv(stain_matrix()).astype(np.float32)[:, :, None, None]
"""Share of each stain in the optical density of red, green and blue, [3, 3, 1, 1]."""
_REACH = _SHARES[..., 0, 0].astype(float) * _DENSITY.max()
_FIRST = int(np.minimum(_REACH, 0).sum(axis=0).min() / TICK) - 2
_TICKS = int(np.maximum(_REACH, 0).sum(axis=0).max() / TICK) + 2 - _FIRST
"""Ticks from the lowest to the highest density of any stain for any colour."""
_ZERO = (np.arange(3)[:, None] * _TICKS - _FIRST).astype(np.float32)
_CUTS = np.rint(np.linspace(*RANGE, BINS + 1)[1:-1] / TICK).astype(np.int64) - _FIRST


class HedStats:
    """The encoder; the same on every device."""

    name, dim, input_px, batch_size = NAME, DIM, 0, 16
    revision, weights_sha256 = "", ""

    def __init__(self) -> None:
        self.threads = usable_cores()

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, 64] of patches [B, P, P, 3]."""
        return np.stack([_describe(patch) for patch in patches]).astype(np.float16)


def build(_: EncoderSpec, __: str, ___: EncoderOptions) -> HedStats:
    """The encoder; it always runs on the CPU, for any device and precision."""
    return HedStats()


def _describe(patch: NDArray[np.uint8]) -> NDArray[np.float64]:
    stains = _unmix(patch)
    flat = stains[:, ::2].reshape(3, -1)
    mean = flat.mean(axis=1)
    centred = flat - mean[:, None]
    squares = centred * centred
    spread = np.sqrt(squares.mean(axis=1)) + 1e-6
    skew = np.einsum("ij,ij->i", squares, centred) / (flat.shape[1] * spread**3)
    crossed = [(centred[i] * centred[j]).mean() / (spread[i] * spread[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    levels, bins = _levels(flat)
    parts = [mean, spread, *levels, skew, *_steps(stains), *_block_spreads(stains), *bins, crossed]
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def _unmix(patch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Stains [3, P, P / 2] of a patch [P, P, 3]; one plane per colour, so that each step reads memory in order."""
    planes = np.ascontiguousarray(patch[:, ::2].transpose(2, 0, 1))
    red, green, blue = _DENSITY.take(planes, mode="clip")  # no index is outside; clip avoids the bounds check
    stains: NDArray[np.float32] = _SHARES[0] * red
    stains += _SHARES[1] * green
    stains += _SHARES[2] * blue
    return stains


def _levels(flat: NDArray[np.float32]) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Percentiles [5, 3] of each stain and histograms of the first two, from one fine histogram of [3, n]."""
    count = flat.shape[1]
    ticks = (flat * np.float32(1 / TICK) + _ZERO).astype(np.int64)
    below = np.cumsum(np.bincount(ticks.ravel(), minlength=3 * _TICKS).reshape(3, _TICKS), axis=1)
    ranks = np.array([round(p / 100 * (count - 1)) for p in PERCENTILES])
    ticks_at = np.stack([np.searchsorted(row, ranks, side="right") for row in below], axis=1)
    levels = np.multiply(ticks_at + 0.5 + _FIRST, TICK, dtype=np.float64)
    bins = [np.diff(row[_CUTS - 1], prepend=0, append=count) / count for row in below[:2]]
    return levels, bins


def _steps(stains: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Mean absolute difference of each stain to the pixels `STEPS` rows below."""
    difference = np.empty_like(stains)
    result = []
    for step in STEPS:
        rows = difference[:, step:]
        np.subtract(stains[:, step:], stains[:, :-step], out=rows)
        np.abs(rows, out=rows)
        result.append(rows.mean(axis=(1, 2)))
    return result


def _block_spreads(stains: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Standard deviation of the means of square blocks, per stain; larger blocks are composed of the smallest.

    A patch narrower than a block is one block.
    """
    high, wide = min(BLOCKS[0], stains.shape[1]), min(BLOCKS[0] // 2, stains.shape[2])
    cells = _means(stains, high, wide)
    result = []
    for side in BLOCKS:
        across = min(side // BLOCKS[0], *cells.shape[1:])
        result.append(_means(cells, across, across).reshape(3, -1).std(axis=1))
    return result


def _means(values: NDArray[np.float32], high: int, wide: int) -> NDArray[np.float32]:
    """Means of blocks of `high` × `wide` of [3, rows, columns]; incomplete blocks are left out."""
    rows, columns = values.shape[1] // high, values.shape[2] // wide
    lines = values[:, : rows * high, : columns * wide].reshape(3, rows, high, columns * wide).sum(axis=2)
    sums = lines[..., ::wide].copy()  # column by column: a sum over such a short axis takes ten times as long
    for column in range(1, wide):
        sums += lines[..., column::wide]
    means: NDArray[np.float32] = sums / np.float32(high * wide)
    return means
