"""Colour spaces of stained tissue: CIE Lab for perceptual distances, optical density for stains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LINEAR = np.where(
    np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    np.float32,
)
_WHITE = _TO_XYZ.sum(axis=1)

HAEMATOXYLIN = (0.650, 0.704, 0.286)
EOSIN = (0.072, 0.990, 0.105)
"""Optical density of red, green, blue, length 1 (Ruifrok and Johnston 2001)."""


def rgb_to_lab(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIE Lab (D65) of sRGB, the same shape [..., 3] in float32: L 0 to 100, a and b about -100 to 100."""
    xyz = (_LINEAR[rgb] @ _TO_XYZ.T) / _WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    lab: NDArray[np.float32] = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)
    return lab


def stain_matrix() -> NDArray[np.float32]:
    """Rows haematoxylin, eosin and their normal (the residual), [3, 3], each of length 1."""
    h, e = np.array(HAEMATOXYLIN), np.array(EOSIN)
    rows = np.stack([h, e, np.cross(h, e)])
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit
