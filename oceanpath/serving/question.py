"""What a question is, and how much one may ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.serving.problems import TooLargeError


@dataclass(frozen=True)
class Limits:
    """How much one question may ask for."""

    max_bytes: int = 512 * 2**20
    """Of the features as stored; a compressed file counts unpacked."""
    max_patches: int = 200_000
    max_json: int = 64 * 2**20
    """Bytes of a JSON body: its numbers need up to twenty times as much memory while it is parsed."""


@dataclass(frozen=True)
class Question:
    """The features of one slide, as they were sent."""

    features: NDArray[np.floating]
    """[N, D], float16, float32 or float64."""
    coords: NDArray[np.int32] | None = None
    """[N, 2] level-0 pixels, where the file has them."""
    encoder: str = ""
    """What made the features; empty where the body does not say."""


def hold_size(shape: tuple[int, int], itemsize: int, limits: Limits) -> None:
    """Raise TooLargeError when features of this shape are over a limit; called before they are allocated."""
    if shape[0] > limits.max_patches:
        raise TooLargeError(
            "more patches than one question may have", expected=f"at most {limits.max_patches}", got=shape[0]
        )
    if math.prod(shape) * itemsize > limits.max_bytes:
        said = f"{math.prod(shape) * itemsize} bytes"
        raise TooLargeError("the features are over the limit", expected=f"at most {limits.max_bytes} bytes", got=said)
