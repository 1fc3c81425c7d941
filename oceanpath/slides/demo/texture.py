"""Tissues as square, periodic textures of haematoxylin and eosin at 0.5 µm per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from oceanpath.slides.demo.nuclei import Array, Kind, jittered, scatter

SIDE = 1024
UNIT = 100
"""Stored units per unit of stain concentration."""
SPINDLE = Kind(11, 3.0, 0.62, spread=0.2)
COLUMNAR = Kind(7.5, 4.2, 0.62, spread=0.1)
REACTIVE = Kind(9.5, 5.6, 0.74, spread=0.16, irregular=0.07, chromatin=0.14)
ATYPICAL = Kind(9.5, 7.8, 0.66, spread=0.26, irregular=0.15, chromatin=0.22, nucleoli=1)
LYMPHOID = Kind(5.2, 4.9, 0.86, spread=0.08, irregular=0.03)


@dataclass(frozen=True)
class Texture:
    """One tissue: concentrations [SIDE, SIDE] of both stains in 1/UNIT; periodic."""

    haematoxylin: NDArray[np.uint8]
    eosin: NDArray[np.uint8]


def build_textures(seed: int) -> dict[str, Texture]:
    """Stroma, mucosa, reactive mucosa, lymphocytes and tumour; deterministic for a seed."""
    rng = np.random.default_rng([seed, 1])
    stroma = _stroma(rng)
    return {
        "stroma": _pack(rng, *stroma),
        "mucosa": _pack(rng, *_glands(rng, stroma, COLUMNAR, goblets=9, layers=(0.84,))),
        "reactive": _pack(rng, *_glands(rng, stroma, REACTIVE, goblets=2, layers=(0.84, 0.62))),
        "lymphocytes": _pack(rng, *_lymphocytes(rng)),
        "tumour": _pack(rng, *_tumour(rng, stroma)),
    }


def noise(rng: np.random.Generator, sigma: float | tuple[float, float]) -> Array:
    """Smooth noise [SIDE, SIDE] of mean 0 and standard deviation 1, periodic; `sigma` in pixels."""
    down, across = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    rows, columns = fft.fftfreq(SIDE)[:, None], fft.rfftfreq(SIDE)[None, :]
    kernel = np.exp(-2 * np.pi**2 * ((down * rows) ** 2 + (across * columns) ** 2)).astype(np.float32)
    white = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    field = fft.irfft2(fft.rfft2(white) * kernel, s=white.shape)
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def _stroma(rng: np.random.Generator) -> tuple[Array, Array]:
    """Wavy fibres with clefts, and spindle nuclei along them."""
    bend = noise(rng, 60) * 26
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    straight = 0.7 * noise(rng, (1.6, 22)) + 0.5 * noise(rng, (4.5, 40))
    fibres = ndimage.map_coordinates(straight, [y + bend, x], order=1, mode="grid-wrap")
    eosin = 0.40 + 0.12 * fibres + 0.05 * noise(rng, 9)
    eosin *= 1 - 0.75 / (1 + np.exp(np.clip((fibres + 1.25) * 9, -20, 20)))
    slope = -np.gradient(bend, axis=1)
    spots = jittered(rng, SIDE, 44, 12, share=0.75)
    columns, rows = spots[:, 0].astype(int) % SIDE, spots[:, 1].astype(int) % SIDE
    angles = np.arctan(slope[rows, columns]) + rng.normal(0, 0.15, len(spots))
    nuclei = scatter(SIDE, zip(spots[:, 0], spots[:, 1], angles, strict=True), rng, SPINDLE)
    return np.maximum(nuclei, 0.05 + 0.02 * fibres), np.asarray(eosin * _around(nuclei), np.float32)


def _glands(
    rng: np.random.Generator, stroma: tuple[Array, Array], kind: Kind, goblets: int, layers: tuple[float, ...]
) -> tuple[Array, Array]:
    """Round glands in stroma: lumen, cytoplasm with goblet vacuoles, and nuclei along the basement membrane."""
    haematoxylin, eosin = stroma[0].copy(), stroma[1] * 0.85
    grid = np.arange(SIDE, dtype=np.float32)
    positions: list[tuple[float, float, float]] = []
    for cx, cy in jittered(rng, SIDE, 146, 13):
        radius, turn = float(rng.uniform(44, 64)), rng.uniform(0, 6.28, 3)
        bumps = list(zip(rng.normal(0, 0.06, 3), (2, 3, 4), turn, strict=True))
        reach = int(radius * 1.35)
        rows, columns = (np.arange(int(c) - reach, int(c) + reach) % SIDE for c in (cy, cx))
        dy, dx = np.meshgrid(_wrapped(grid[rows] - cy), _wrapped(grid[columns] - cx), indexing="ij")
        theta = np.arctan2(dy, dx)
        r = np.hypot(dx, dy) / radius / (1 + sum(depth * np.cos(k * theta + t) for depth, k, t in bumps))
        inner = rng.uniform(0.2, 0.42)
        vacuoles = _vacuoles(rng, dx / radius, dy / radius, goblets)
        where, h, e = np.ix_(rows, columns), haematoxylin[np.ix_(rows, columns)], eosin[np.ix_(rows, columns)]
        gland, lumen = _step(1 - r, 30), _step(inner - r, 24)
        body_e = (0.27 + 0.25 * np.exp(-(((r - 1) / 0.04) ** 2))) * (1 - 0.75 * vacuoles) * (1 - lumen) + 0.02
        body_h = (0.13 + 0.04 * vacuoles) * (1 - 0.8 * lumen)
        haematoxylin[where], eosin[where] = h * (1 - gland) + body_h * gland, e * (1 - gland) + body_e * gland
        for layer in layers:
            count = int(2 * np.pi * radius * layer / (2.35 * kind.short))
            around = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.normal(0, 0.03, count)
            out = radius * (layer + rng.normal(0, 0.03, count))
            positions += list(zip(cx + out * np.cos(around), cy + out * np.sin(around), around, strict=True))
    nuclei = scatter(SIDE, positions, rng, kind)
    return np.maximum(haematoxylin, nuclei), np.asarray(eosin * _around(nuclei), np.float32)


def _vacuoles(rng: np.random.Generator, x: Array, y: Array, count: int) -> Array:
    field = np.zeros_like(x)
    for angle in rng.uniform(0, 6.28, count):
        away = np.hypot(x - 0.6 * np.cos(angle), y - 0.6 * np.sin(angle))
        field = np.maximum(field, _step(rng.uniform(0.12, 0.17) - away, 40))
    return field


def _lymphocytes(rng: np.random.Generator) -> tuple[Array, Array]:
    """Small round dark nuclei, close together."""
    spots = jittered(rng, SIDE, 13.0, 1.8, share=0.93)
    nuclei = scatter(SIDE, _any_angle(rng, spots), rng, LYMPHOID)
    return np.maximum(nuclei, 0.1), np.asarray((0.2 + 0.05 * noise(rng, 6)) * _around(nuclei), np.float32)


def _tumour(rng: np.random.Generator, stroma: tuple[Array, Array]) -> tuple[Array, Array]:
    """Sheets of large, dark, irregular, disordered nuclei, separated by strands of stroma and small clefts."""
    strands = _step(noise(rng, 24) - 1.25, 8)
    clefts = _step(noise(rng, 10) - 2.3, 10)
    spots = jittered(rng, SIDE, 20.0, 4.5, share=0.93)
    rows, columns = spots[:, 1].astype(int) % SIDE, spots[:, 0].astype(int) % SIDE
    spots = spots[(strands + clefts)[rows, columns] < 0.4]
    nuclei = scatter(SIDE, _any_angle(rng, spots), rng, ATYPICAL, bank=160)
    sheet_h = np.maximum(nuclei, 0.17 + 0.03 * noise(rng, 5))
    sheet_e = (0.34 + 0.06 * noise(rng, 7)) * _around(nuclei)
    haematoxylin = (sheet_h * (1 - strands) + stroma[0] * strands) * (1 - clefts)
    eosin = (sheet_e * (1 - strands) + stroma[1] * strands) * (1 - clefts)
    return np.asarray(haematoxylin, np.float32), np.asarray(eosin, np.float32)


def _any_angle(rng: np.random.Generator, spots: Array) -> list[tuple[float, float, float]]:
    return [(float(x), float(y), float(rng.uniform(0, np.pi))) for x, y in spots]


def _around(nuclei: Array) -> Array:
    """Factor for less eosin at nuclei."""
    return np.asarray(1 - 0.65 * np.clip(nuclei / 0.5, 0, 1), np.float32)


def _step(x: Array, steepness: float) -> Array:
    """0 to 1 where `x` passes 0."""
    return np.asarray(1 / (1 + np.exp(-np.clip(x * steepness, -20, 20))), np.float32)


def _wrapped(distance: Array) -> Array:
    return np.asarray((distance + SIDE / 2) % SIDE - SIDE / 2, np.float32)


def _pack(rng: np.random.Generator, haematoxylin: Array, eosin: Array) -> Texture:
    """Blur slightly as optics do, add grain, and convert to 1/UNIT."""
    stored = []
    for stain in (haematoxylin, eosin):
        grain = 0.012 * rng.standard_normal(stain.shape, dtype=np.float32)
        soft = ndimage.gaussian_filter(stain, 0.7, mode="wrap", truncate=3) + grain
        stored.append(np.clip(np.rint(soft * UNIT), 0, 255).astype(np.uint8))
    return Texture(stored[0], stored[1])
