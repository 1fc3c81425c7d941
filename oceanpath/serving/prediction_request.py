"""The features of a slide to be predicted, and limits on their size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.serving.errors import MalformedError, TooLargeError
from oceanpath.serving.stored_rows import Features, in_memory

LONGEST_ID = 400


@dataclass(frozen=True)
class Limits:
    """Limits of one request."""

    max_bytes: int = 512 * 2**20
    """Of the features as stored; compressed files count decompressed."""
    max_patches: int = 200_000
    max_json: int = 64 * 2**20
    """Bytes of a JSON body: parsing it needs up to twenty times as much memory."""


@dataclass(frozen=True)
class PredictionRequest:
    """The features of one slide."""

    features: Features
    """[N, D], float16, float32 or float64."""
    coords: NDArray[Any] | None = None
    """[N, 2] level-0 pixels, if they were sent."""
    provenance: Provenance = UNKNOWN
    """How the features were extracted, according to the body."""
    notes: tuple[str, ...] = ()
    """Notes on the request for readers of the prediction."""

    @property
    def array(self) -> NDArray[np.floating]:
        """The features in memory, [N, D]. Raises: the errors of `StoredRows.read`."""
        return in_memory(self.features)

    def with_defaults(self, encoder: str, slide_id: str) -> PredictionRequest:
        """The same with this encoder and slide id, unless the provenance states its own.

        Raises: MalformedError: the slide id is too long or not valid text.
        """
        known, notes = self.provenance, self.notes
        if slide_id and known.slide_id and slide_id != known.slide_id:
            notes = (*notes, f"the slide id in the file is {known.slide_id}, not {slide_id}")
        known = replace(known, encoder=known.encoder or encoder, slide_id=known.slide_id or slide_id)
        validate_id(known.slide_id)
        return replace(self, provenance=known, notes=notes)


def validate_id(slide_id: str) -> None:
    """Raise MalformedError if an id is too long, or has surrogates that no response can contain."""
    if len(slide_id) > LONGEST_ID:
        raise MalformedError("the slide id is too long", expected=f"at most {LONGEST_ID} characters", got=len(slide_id))
    try:
        slide_id.encode()
    except UnicodeEncodeError as error:
        raise MalformedError("the slide id is not valid text", got=ascii(slide_id)) from error


def validate_size(shape: tuple[int, int], itemsize: int, limits: Limits) -> None:
    """Raise TooLargeError if features of this shape exceed a limit; called before they are allocated."""
    if shape[0] > limits.max_patches:
        raise TooLargeError("too many patches", expected=f"at most {limits.max_patches}", got=shape[0])
    if math.prod(shape) * itemsize > limits.max_bytes:
        size = f"{math.prod(shape) * itemsize} bytes"
        raise TooLargeError("the features are too large", expected=f"at most {limits.max_bytes} bytes", got=size)
