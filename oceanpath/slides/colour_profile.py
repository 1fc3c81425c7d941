"""Colours of a slide whose file contains an ICC profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Convert = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def profile_name(profile: Any) -> str:
    """The description of a profile on one line; "" if the slide has none."""
    return "" if profile is None else " ".join(ImageCms.getProfileDescription(profile).split()) or "unnamed"


def to_srgb(profile: Any) -> Convert:
    """A function that converts RGB [h, w, 3] of a slide with this profile to sRGB, relative colorimetric."""
    transform = ImageCms.buildTransform(
        profile, ImageCms.createProfile("sRGB"), "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC
    )

    def convert(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        converted = ImageCms.applyTransform(Image.fromarray(rgb), transform)
        return np.asarray(converted)

    return convert
