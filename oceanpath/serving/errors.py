"""Errors of a prediction request. Each class has an HTTP status and a machine-readable code.

    BadFeaturesError       422  the features do not meet the model's contract
    └── WrongDimensionError, NotFiniteError, EmptyBagError, MissingCoordsError, MissingSlideIdError
    WrongEncoderError      409  the features come from a different encoder than the training data
    WrongPatchesError      409  the patches differ in size or resolution from the training data
    MalformedError         400  the body cannot be parsed
    UnknownFormatError     415  the format of the body is not supported
    TooLargeError          413  the body, or the array it declares, exceeds the limit
    TimeoutExceededError   408  the body did not arrive in time
    UnauthorizedError      401  the request has no valid key
    UnknownModelError      404  no model with this name and version is served
    UnknownSlideError      404  no slide with this id is in the configured folder
    UnknownTileError       404  the image of the slide has no such tile
    BadSlideError          422  the pixels of a slide cannot be read
    BusyError              429  too many requests are waiting
    TooSlowError           503  the prediction was not computed in time

All of them are answered with a reason and what to do; none is an unexpected failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from oceanpath.errors import ArtifactError


class RequestError(ArtifactError):
    """Base class of all errors of a request."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "malformed"
    headers: ClassVar[Mapping[str, str]] = {}
    """Additional headers of the response."""


class MalformedError(RequestError):
    """The body cannot be parsed in its format."""


class UnknownFormatError(RequestError):
    """The format of the body is not supported."""

    status = 415
    code = "unknown_format"


class TooLargeError(RequestError):
    """The body, or the array it declares, exceeds the limit."""

    status = 413
    code = "too_large"


class TimeoutExceededError(RequestError):
    """The body did not arrive in time."""

    status = 408
    code = "too_late"


class UnauthorizedError(RequestError):
    """The request has no valid key."""

    status = 401
    code = "unauthorized"
    headers: ClassVar[Mapping[str, str]] = {"www-authenticate": "Bearer"}


class UnknownModelError(RequestError):
    """No model with this name and version is served."""

    status = 404
    code = "unknown_model"


class UnknownSlideError(RequestError):
    """No slide with this id is in the configured folder."""

    status = 404
    code = "unknown_slide"


class UnknownTileError(RequestError):
    """The image of the slide has no such tile."""

    status = 404
    code = "unknown_tile"


class BadSlideError(RequestError):
    """The pixels of a slide cannot be read."""

    status = 422
    code = "bad_slide"


class BusyError(RequestError):
    """Too many requests are waiting."""

    status = 429
    code = "busy"
    headers: ClassVar[Mapping[str, str]] = {"retry-after": "1"}


class TooSlowError(RequestError):
    """The prediction was not computed in time."""

    status = 503
    code = "too_slow"
    headers: ClassVar[Mapping[str, str]] = {"retry-after": "1"}


class WrongEncoderError(RequestError):
    """The features come from a different encoder than the training data."""

    status = 409
    code = "wrong_encoder"


class WrongPatchesError(RequestError):
    """The patches differ in size or resolution from the training data."""

    status = 409
    code = "wrong_patches"


class BadFeaturesError(RequestError):
    """The features do not meet the model's contract."""

    status = 422
    code = "bad_features"


class WrongDimensionError(BadFeaturesError):
    """The features are not [N, D] with the model's D."""

    code = "wrong_dimension"


class NotFiniteError(BadFeaturesError):
    """A feature is NaN or infinite."""

    code = "not_finite"


class EmptyBagError(BadFeaturesError):
    """The slide has no patches."""

    code = "no_patches"


class MissingCoordsError(BadFeaturesError):
    """The model or its patch sampling needs coordinates, which were not sent."""

    code = "coords_needed"


class MissingSlideIdError(BadFeaturesError):
    """The slide has more patches than the model's cap, and the slide id, by which they are sampled, was not sent."""

    code = "slide_id_needed"
