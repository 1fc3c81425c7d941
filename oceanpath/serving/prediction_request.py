"""What a question is, and how much one may ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.serving.errors import MalformedError, TooLargeError

LONGEST_ID = 400


@dataclass(frozen=True)
class Limits:
    """How much one question may ask for."""

    max_bytes: int = 512 * 2**20
    """Of the features as stored; a compressed file counts unpacked."""
    max_patches: int = 200_000
    max_json: int = 64 * 2**20
    """Bytes of a JSON body: its numbers need up to twenty times as much memory while it is parsed."""


@dataclass(frozen=True)
class PredictionRequest:
    """The features of one slide, as they were sent."""

    features: NDArray[np.floating]
    """[N, D], float16, float32 or float64."""
    coords: NDArray[Any] | None = None
    """[N, 2] level-0 pixels, where they were sent."""
    about: Provenance = UNKNOWN
    """How the features were made, where the body says it."""
    notes: tuple[str, ...] = ()
    """What a reader of the answer should know about the question."""

    def completed(self, encoder: str, slide_id: str) -> PredictionRequest:
        """With what was said beside the features, where these do not say it themselves.

        Raises: MalformedError: the slide id is too long or no text.
        """
        about, notes = self.about, self.notes
        if slide_id and about.slide_id and slide_id != about.slide_id:
            notes = (*notes, f"the slide id in the file is {about.slide_id}, not {slide_id}")
        about = replace(about, encoder=about.encoder or encoder, slide_id=about.slide_id or slide_id)
        _validate_id(about.slide_id)
        return replace(self, about=about, notes=notes)


def _validate_id(slide_id: str) -> None:
    if len(slide_id) > LONGEST_ID:
        raise MalformedError("the slide id is too long", expected=f"at most {LONGEST_ID} characters", got=len(slide_id))
    try:
        slide_id.encode()
    except UnicodeEncodeError as error:
        raise MalformedError("the slide id is no text", got=ascii(slide_id)) from error


def validate_size(shape: tuple[int, int], itemsize: int, limits: Limits) -> None:
    """Raise TooLargeError when features of this shape are over a limit; called before they are allocated."""
    if shape[0] > limits.max_patches:
        raise TooLargeError(
            "more patches than one question may have", expected=f"at most {limits.max_patches}", got=shape[0]
        )
    if math.prod(shape) * itemsize > limits.max_bytes:
        said = f"{math.prod(shape) * itemsize} bytes"
        raise TooLargeError("the features are over the limit", expected=f"at most {limits.max_bytes} bytes", got=said)
