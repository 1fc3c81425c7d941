"""Nuclei as small stamps of haematoxylin, scattered over a periodic canvas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
HALF = 20
"""Half the side of a stamp in pixels: no nucleus is wider than 40 px, 20 µm."""


@dataclass(frozen=True)
class Kind:
    """A family of nuclei; lengths in pixels of 0.5 µm."""

    long: float
    short: float
    dark: float
    """Haematoxylin at the centre."""
    spread: float = 0.1
    """Relative standard deviation of the size."""
    irregular: float = 0.04
    """Relative depth of bumps in the outline."""
    chromatin: float = 0.1
    """Coarseness of the chromatin."""
    nucleoli: int = 0


def stamp(rng: np.random.Generator, kind: Kind, angle: float) -> Array:
    """Haematoxylin [2 HALF, 2 HALF] of one nucleus rotated by `angle` radians."""
    size = float(np.exp(rng.normal(0, kind.spread)))
    y, x = np.mgrid[-HALF:HALF, -HALF:HALF].astype(np.float32) + 0.5
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    u, v = u / (kind.long * size), v / (kind.short * size)
    theta = np.arctan2(v, u)
    bumps = sum(rng.normal() / k * np.cos(k * theta + rng.uniform(0, 6.28)) for k in (2, 3, 4, 5))
    radius = np.hypot(u, v) / np.clip(1 + kind.irregular * bumps, 0.6, 1.5)
    edge = 1 / (1 + np.exp(np.clip((radius - 1) * kind.short * 1.6, -20, 20)))
    rim = np.exp(-(((radius - 0.88) / 0.14) ** 2))
    grain = _grain(rng) * kind.chromatin
    inside = kind.dark * (0.82 + 0.3 * rim + grain)
    for _ in range(kind.nucleoli):
        cx, cy = rng.uniform(-0.45, 0.45, 2)
        inside += 0.45 * np.exp(-(((u - cx) * kind.long) ** 2 + ((v - cy) * kind.short) ** 2) / 4.5)
    return np.asarray(edge * np.clip(inside, 0, 1.6), np.float32)


def scatter(
    side: int, positions: Iterable[tuple[float, float, float]], rng: np.random.Generator, kind: Kind, bank: int = 48
) -> Array:
    """Haematoxylin [side, side] of nuclei at (x, y, angle), on a periodic canvas.

    Stamps come from a bank whose entries are rotated through half a circle.
    """
    stamps = [stamp(rng, kind, np.pi * i / bank) for i in range(bank)]
    canvas = np.zeros((side + 2 * HALF, side + 2 * HALF), np.float32)
    for x, y, angle in positions:
        left, top = int(x) % side, int(y) % side
        shape = stamps[int(angle % np.pi / np.pi * bank) % bank] * np.float32(rng.uniform(0.8, 1.1))
        window = canvas[top : top + 2 * HALF, left : left + 2 * HALF]
        np.maximum(window, shape, out=window)
    return _periodic(canvas, side)


def jittered(rng: np.random.Generator, side: int, spacing: float, jitter: float, share: float = 1.0) -> Array:
    """Positions [n, 2] on a hexagonal grid with Gaussian `jitter`, of which a random `share` is kept."""
    rows = round(side / (spacing * 0.866) / 2) * 2
    columns = round(side / spacing)
    j, i = np.mgrid[0:rows, 0:columns]
    x = (i + 0.5 * (j % 2)) * side / columns + rng.normal(0, jitter, i.shape)
    y = j * side / rows + rng.normal(0, jitter, i.shape)
    kept = rng.random(i.shape) < share
    return np.stack([x[kept], y[kept]], axis=1).astype(np.float32)


def _periodic(canvas: Array, side: int) -> Array:
    """Combine the margins of `canvas` with the opposite edges."""
    for _ in range(2):
        core = canvas[HALF : HALF + side].copy()
        np.maximum(core[:HALF], canvas[HALF + side :], out=core[:HALF])
        np.maximum(core[-HALF:], canvas[:HALF], out=core[-HALF:])
        canvas = core.T
    return np.ascontiguousarray(canvas)


def _grain(rng: np.random.Generator) -> Array:
    coarse = rng.normal(size=(HALF, HALF)).astype(np.float32)
    return np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)
