"""Bytes from a stranger → features. Sizes are compared before anything is allocated, and nothing is ever unpickled."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.npy_header import NPY_MAGIC, read_npy_header
from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.serving.errors import (
    EmptyBagError,
    MalformedError,
    TooLargeError,
    UnknownFormatError,
    WrongDimensionError,
)
from oceanpath.serving.hdf5 import MAGIC
from oceanpath.serving.prediction_request import Limits, PredictionRequest, validate_size
from oceanpath.serving.signatures import identify

ReadH5 = Callable[[bytes | bytearray], PredictionRequest]
ACCEPTED = 'an .h5 or .npy file, or JSON {"features": [[...]]}'
JSON_KEYS = {"features", "coords", "slide_id", "encoder"}


def decode(body: bytes | bytearray, media_type: str, limits: Limits, read_h5: ReadH5) -> PredictionRequest:
    """The question in a body. The first bytes decide what it is; the media type speaks only for JSON.

    Args:
        body: The whole body, or the uploaded file of a form.
        media_type: As the client gave it; may be empty.
        limits: What is more is refused before it is allocated.
        read_h5: Reads the body where it is HDF5; see `oceanpath.serving.hdf5_reader`.

    Raises: MalformedError, UnknownFormatError, TooLargeError, WrongDimensionError, NoPatchesError, BadFeaturesError.
    """
    if not body:
        raise MalformedError("the body is empty", expected=ACCEPTED)
    if body.startswith(NPY_MAGIC):
        return PredictionRequest(_npy(body, limits, "f"))
    if body.startswith(MAGIC):
        return read_h5(body)
    if media_type.startswith("application/json") or body[:64].lstrip()[:1] == b"{":
        return _json(body, limits)
    kind, do = identify(body)
    raise UnknownFormatError("the body is in no format that is read here", expected=ACCEPTED, got=kind, do=do)


def decode_coords(body: bytes | bytearray, limits: Limits) -> NDArray[Any]:
    """Coordinates [N, 2] of an .npy, the second file of a form.

    Raises: MalformedError, TooLargeError, WrongDimensionError, NoPatchesError.
    """
    if not body.startswith(NPY_MAGIC):
        raise MalformedError("the coordinates are no .npy", expected="an .npy of [N, 2] numbers")
    return _npy(body, limits, "fiu")


def _npy(body: bytes | bytearray, limits: Limits, kinds: str) -> NDArray[Any]:
    stream = io.BytesIO(body)
    try:
        header = read_npy_header(stream)
    except ValueError as error:
        raise MalformedError(str(error)) from error
    dtype = header.dtype
    if dtype.kind not in kinds or dtype.itemsize > 8:
        expected = "float16, float32 or float64" if kinds == "f" else "integers or floats"
        raise MalformedError("an .npy of another type", expected=expected, got=dtype)
    shape = _two(header.shape)
    validate_size(shape, dtype.itemsize, limits)
    rest = len(body) - stream.tell()
    if rest != math.prod(shape) * dtype.itemsize:
        said = f"{math.prod(shape) * dtype.itemsize} bytes for {list(shape)} {dtype}"
        raise MalformedError(
            "the .npy holds more or fewer bytes than its header says", expected=said, got=f"{rest} bytes"
        )
    flat = np.frombuffer(body, dtype, offset=stream.tell())
    found: NDArray[Any] = flat.reshape(shape, order=header.order)
    return found


def _json(body: bytes | bytearray, limits: Limits) -> PredictionRequest:
    if len(body) > limits.max_json:
        raise TooLargeError(
            "too much JSON", expected=f"at most {limits.max_json} bytes", do="Send an .npy or .h5 file."
        )
    try:
        held = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError("the body is no JSON", got=type(error).__name__) from error
    if not isinstance(held, dict) or "features" not in held or set(held) - JSON_KEYS:
        expected = '{"features": [[...]]}; optional: "coords": [[x, y], ...], "slide_id" and "encoder"'
        raise MalformedError("JSON of another shape", expected=expected)
    texts = {name: held.get(name, "") for name in ("encoder", "slide_id")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise MalformedError("JSON of another shape", expected="encoder and slide_id: text")
    coords = _numbers(held, "coords", limits) if held.get("coords") is not None else None
    return PredictionRequest(_numbers(held, "features", limits), coords, Provenance(**texts))


def _numbers(held: dict[str, Any], name: str, limits: Limits) -> NDArray[np.float64]:
    """The table of numbers [N, D] below a key."""
    rows = held[name]
    if not isinstance(rows, list):
        raise MalformedError("JSON of another shape", expected=f"{name}: a list of lists")
    if not rows:
        raise EmptyBagError("the slide has no patches", expected="at least one")
    try:
        numbers = np.asarray(rows)
    except ValueError as error:
        raise WrongDimensionError(
            f"rows of different lengths or depths in {name}", expected="[N, D] numbers"
        ) from error
    if numbers.dtype.kind not in "fiu":
        raise MalformedError(f"{name} holds something else than numbers", expected="[N, D] numbers")
    shape = _two(numbers.shape)
    validate_size(shape, 4, limits)
    return numbers.astype(np.float64).reshape(shape)


def _two(shape: tuple[int, ...]) -> tuple[int, int]:
    """[N, D] of [N, D] or [1, N, D]."""
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2:
        raise WrongDimensionError("features of the wrong shape", expected="[N, D]", got=list(shape))
    if shape[0] == 0:
        raise EmptyBagError("the slide has no patches", expected="at least one")
    return shape[0], shape[1]
