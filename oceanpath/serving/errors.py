"""What can be wrong with a question. Each class knows its HTTP status and a code that programs can read.

    BadFeaturesError       422  the features are not what the model takes
    └── WrongDimensionError, NotFiniteError, EmptyBagError, MissingCoordsError, MissingSlideIdError
    WrongEncoderError      409  the features come from another encoder than the model's
    WrongPatchesError      409  the features are of patches of another size or resolution
    MalformedError         400  the body cannot be parsed
    UnknownFormatError     415  the body is in no format that is read
    TooLargeError          413  the body, or what it says it holds, is over the limit
    TooLateError           408  the body did not arrive in time
    BusyError              503  enough questions are waiting already

All of them are about the question; a fault of the server is none of them.
"""

from __future__ import annotations

from typing import ClassVar

from oceanpath.errors import ArtifactError


class RequestError(ArtifactError):
    """Base: something about the question, not about the server."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "malformed"


class MalformedError(RequestError):
    """The body cannot be parsed as what it says it is."""


class UnknownFormatError(RequestError):
    """The body is in no format that is read."""

    status = 415
    code = "unknown_format"


class TooLargeError(RequestError):
    """The body, or what it says it holds, is over the limit."""

    status = 413
    code = "too_large"


class TimeoutExceededError(RequestError):
    """The body did not arrive in time."""

    status = 408
    code = "too_late"


class BusyError(RequestError):
    """Enough questions are waiting already."""

    status = 503
    code = "busy"


class WrongEncoderError(RequestError):
    """The features come from another encoder than the one the model was trained on."""

    status = 409
    code = "wrong_encoder"


class WrongPatchesError(RequestError):
    """The features are of patches of another size or resolution than those the model was trained on."""

    status = 409
    code = "wrong_patches"


class BadFeaturesError(RequestError):
    """The features are not what the model takes."""

    status = 422
    code = "bad_features"


class WrongDimensionError(BadFeaturesError):
    """The features are no [N, D], or D is another than the model's."""

    code = "wrong_dimension"


class NotFiniteError(BadFeaturesError):
    """A feature is NaN or infinite."""

    code = "not_finite"


class EmptyBagError(BadFeaturesError):
    """A slide without patches has no answer."""

    code = "no_patches"


class MissingCoordsError(BadFeaturesError):
    """The model reads the coordinates of the patches, or draws patches by them, and they were not sent."""

    code = "coords_needed"


class MissingSlideIdError(BadFeaturesError):
    """The slide has more patches than the model's cap, and they are drawn by the slide id, which was not sent."""

    code = "slide_id_needed"
