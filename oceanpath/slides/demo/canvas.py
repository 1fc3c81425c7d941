"""Draw one slide: tissue on glass, a texture per region, stain and illumination of the slide."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from oceanpath.slides.demo.plan import SlidePlan, Spot
from oceanpath.slides.demo.texture import SIDE, UNIT, Texture

CELL = 16
"""Smooth fields are drawn at every 16th pixel and enlarged."""
NEUTRAL = 128
"""Stored multiplier for "unchanged"."""
HAEMATOXYLIN, EOSIN = (0.66, 0.69, 0.30), (0.12, 0.94, 0.32)
"""Optical density of red, green and blue at concentration 1; varied per slide."""
Field = NDArray[np.float32]


def draw_slide(plan: SlidePlan, textures: Mapping[str, Texture]) -> NDArray[np.uint8]:
    """The slide at 0.5 µm per pixel, RGB [side, side, 3]; deterministic for a plan."""
    rng = np.random.default_rng(plan.seed)
    cells = plan.side // CELL
    tissue = _outline(rng, cells)
    haematoxylin, eosin = _crop(textures["stroma"], rng, plan.side)
    _apply_texture(haematoxylin, eosin, textures["mucosa"], _noise(rng, cells, 11) + 0.25, rng)
    for spot in plan.spots:
        if spot.kind in textures:
            _apply_texture(
                haematoxylin, eosin, textures[spot.kind], np.minimum(_blob(rng, cells, spot), tissue * 4), rng
            )
    thickness = _thickness(rng, cells, plan.spots)
    inside = _enlarge(np.clip(tissue * 6, -1, 1) * 127 + 128, plan.side) > NEUTRAL
    for stain, tone in ((haematoxylin, _tone(rng, cells)), (eosin, _tone(rng, cells))):
        _multiply(stain, _enlarge(np.clip(thickness * tone, 0, 1.98) * NEUTRAL, plan.side))
        stain[~inside] = 0
    pixels: NDArray[np.uint8] = _stain_table(rng)[(haematoxylin.astype(np.uint16) << 8) | eosin]
    return pixels


def _outline(rng: np.random.Generator, cells: int) -> Field:
    """Positive inside the tissue: an oval with bays and islands."""
    y, x = np.mgrid[-1 : 1 : cells * 1j, -1 : 1 : cells * 1j].astype(np.float32)
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(0.86, 1.0)
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    oval = 0.74 - np.hypot(u / stretch, v * stretch * 1.12)
    ragged = oval + 0.10 * _noise(rng, cells, 16) + 0.03 * _noise(rng, cells, 3) - 0.35 * (np.hypot(x, y) > 0.99)
    return np.asarray(ragged, np.float32)


def _blob(rng: np.random.Generator, cells: int, spot: Spot) -> Field:
    """Positive inside a spot with a ragged edge."""
    y, x = np.mgrid[0:cells, 0:cells].astype(np.float32) * CELL + CELL / 2
    away = np.hypot(x - spot.x, y - spot.y) / spot.radius
    return np.asarray(1 - away + 0.22 * _noise(rng, cells, max(2.0, spot.radius / CELL / 3)), np.float32)


def _thickness(rng: np.random.Generator, cells: int, spots: tuple[Spot, ...]) -> Field:
    """Relative amount of stain: more in a fold, less in a bleached region."""
    factor = np.ones((cells, cells), np.float32)
    y, x = np.mgrid[0:cells, 0:cells].astype(np.float32) * CELL
    for spot in spots:
        if spot.kind == "bleached":
            factor *= 1 - 0.6 * _soft(_blob(rng, cells, spot), 4)
        elif spot.kind == "fold":
            angle = rng.uniform(0, np.pi)
            along = (x - spot.x) * np.cos(angle) + (y - spot.y) * np.sin(angle)
            across = -(x - spot.x) * np.sin(angle) + (y - spot.y) * np.cos(angle) + 40 * _noise(rng, cells, 8)
            band = _soft(1 - np.abs(across) / (0.13 * spot.radius), 8) * _soft(1 - np.abs(along) / spot.radius, 8)
            factor *= 1 + 0.8 * band
    return factor


def _apply_texture(
    haematoxylin: NDArray[np.uint8], eosin: NDArray[np.uint8], texture: Texture, field: Field, rng: np.random.Generator
) -> None:
    """Apply `texture` where `field` is positive, only in the rows and columns concerned."""
    rows, columns = np.flatnonzero((field > -0.5).any(axis=1)), np.flatnonzero((field > -0.5).any(axis=0))
    if not len(rows):
        return
    area = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    full = tuple(slice(part.start * CELL, part.stop * CELL) for part in area)
    side = max(full[0].stop - full[0].start, full[1].stop - full[1].start)
    small = np.clip(field[area] * 100 + NEUTRAL, 0, 255).astype(np.uint8)
    size = (small.shape[1] * CELL, small.shape[0] * CELL)
    where = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BILINEAR)) > NEUTRAL
    for stain, piece in zip((haematoxylin, eosin), _crop(texture, rng, side), strict=True):
        np.copyto(stain[full], piece[: where.shape[0], : where.shape[1]], where=where)


def _crop(texture: Texture, rng: np.random.Generator, side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both stains [side, side] from a random position of a periodic texture, randomly rotated."""
    rows, columns = ((np.arange(side) + rng.integers(SIDE)) % SIDE for _ in range(2))
    turn, flip = int(rng.integers(4)), bool(rng.integers(2))

    def crop(stain: NDArray[np.uint8]) -> NDArray[np.uint8]:
        turned = np.ascontiguousarray(np.rot90(stain[::-1] if flip else stain, turn))
        piece: NDArray[np.uint8] = turned[rows][:, columns]
        return piece

    return crop(texture.haematoxylin), crop(texture.eosin)


def _multiply(stain: NDArray[np.uint8], factor: NDArray[np.uint8]) -> None:
    product = (stain.astype(np.uint16) * factor) >> 7
    np.minimum(product, 255, out=product)
    stain[...] = product


def _tone(rng: np.random.Generator, cells: int) -> Field:
    return np.asarray(1 + 0.07 * _noise(rng, cells, 14), np.float32)


def _stain_table(rng: np.random.Generator) -> NDArray[np.uint8]:
    """RGB [65536, 3] for (haematoxylin << 8) | eosin, with the stains and illumination of one slide (Beer-Lambert)."""
    glass = np.array([243.0, 242.0, 244.0]) + rng.normal(0, 1.5, 3)
    amount = np.arange(256) / UNIT
    blue = np.clip(np.array(HAEMATOXYLIN) + rng.normal(0, 0.035, 3), 0, 1) * rng.uniform(0.85, 1.3)
    pink = np.clip(np.array(EOSIN) + rng.normal(0, 0.035, 3), 0, 1) * rng.uniform(0.55, 0.95)
    density = amount[:, None, None] * blue + amount[None, :, None] * pink
    table: NDArray[np.uint8] = np.rint(glass * 10**-density).astype(np.uint8).reshape(-1, 3)
    return table


def _noise(rng: np.random.Generator, cells: int, sigma: float) -> Field:
    field = ndimage.gaussian_filter(rng.normal(size=(cells, cells)).astype(np.float32), sigma)
    return np.asarray((field - field.mean()) / (field.std() + 1e-9), np.float32)


def _soft(field: Field, steepness: float) -> Field:
    return np.asarray(1 / (1 + np.exp(-np.clip(field * steepness, -20, 20))), np.float32)


def _enlarge(field: Field, side: int) -> NDArray[np.uint8]:
    small = Image.fromarray(np.rint(field).clip(0, 255).astype(np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))
