"""Untrusted bytes → features. Sizes are checked before memory is allocated, and nothing is unpickled."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.layouts import PATCH, SLIDE
from oceanpath.artifacts.features.npy_header import NPY_MAGIC, NpyHeader, read_npy_header
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

ACCEPTED = 'an .h5 or .npy file, or JSON {"features": [[...]]}'
JSON_KEYS = {"features", "coords", "slide_id", "encoder"}


class Readers(NamedTuple):
    """How features are read that are not in the body itself."""

    h5: Callable[[bytes | bytearray, str], PredictionRequest]
    """Reads HDF5 bodies with features of a level; see `oceanpath.serving.hdf5_reader`."""
    slide: Callable[[str, str], PredictionRequest]
    """Reads the features of a slide id, of a level; see `oceanpath.serving.slide_folder`."""


def decode(
    body: bytes | bytearray, media_type: str, limits: Limits, readers: Readers, level: str = PATCH
) -> PredictionRequest:
    """The slide in a body. The format is detected from the first bytes; the media type is used only for JSON.

    Args:
        body: The whole body, or the uploaded file of a form.
        media_type: According to the client; may be empty.
        limits: Larger bodies are rejected before memory is allocated.
        readers: Read HDF5 bodies, and the features of slide ids.
        level: Level of the features that the model reads; at the level of slides, [D] is one row.

    Raises: MalformedError, UnknownFormatError, TooLargeError, WrongDimensionError, EmptyBagError, BadFeaturesError,
        UnknownSlideError.
    """
    if not body:
        raise MalformedError("the body is empty", expected=ACCEPTED)
    if body.startswith(NPY_MAGIC):
        return PredictionRequest(_npy(body, limits, "f", level))
    if body.startswith(MAGIC):
        return readers.h5(body, level)
    if media_type.startswith("application/json") or body[:64].lstrip()[:1] == b"{":
        return _json(body, limits, readers, level)
    kind, do = identify(body)
    raise UnknownFormatError("the format of the body is not supported", expected=ACCEPTED, got=kind, do=do)


def decode_coords(body: bytes | bytearray, limits: Limits) -> NDArray[Any]:
    """Coordinates [N, 2] in an .npy, the second file of a form.

    Raises: MalformedError, TooLargeError, WrongDimensionError, EmptyBagError.
    """
    if not body.startswith(NPY_MAGIC):
        raise MalformedError("the coordinates are not an .npy file", expected="an .npy of [N, 2] numbers")
    return _npy(body, limits, "fiu")


def _npy(body: bytes | bytearray, limits: Limits, kinds: str, level: str = PATCH) -> NDArray[Any]:
    stream = io.BytesIO(body)
    try:
        header = read_npy_header(stream)
    except ValueError as error:
        raise MalformedError(str(error)) from error
    dtype, shape = header.dtype, matrix_shape(validate_npy_dtype(header, kinds).shape, level)
    validate_size(shape, dtype.itemsize, limits)
    validate_npy_size(len(body) - stream.tell(), shape, dtype)
    flat = np.frombuffer(body, dtype, offset=stream.tell())
    array: NDArray[Any] = flat.reshape(shape, order=header.order)
    return array


def validate_npy_dtype(header: NpyHeader, kinds: str) -> NpyHeader:
    """The header. Raises: MalformedError: the numbers are of other kinds, or too wide."""
    dtype = header.dtype
    if dtype.kind not in kinds or dtype.itemsize > 8:
        expected = "float16, float32 or float64" if kinds == "f" else "integers or floats"
        raise MalformedError("the .npy has the wrong dtype", expected=expected, got=dtype)
    return header


def validate_npy_size(nbytes: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    """Raise MalformedError unless `nbytes` bytes are an array of this shape and dtype."""
    needed = math.prod(shape) * dtype.itemsize
    if nbytes != needed:
        expected, got = f"{needed} bytes for {list(shape)} {dtype}", f"{nbytes} bytes"
        raise MalformedError("the size of the .npy does not match its header", expected=expected, got=got)


def parse_json(body: bytes | bytearray, limits: Limits) -> object:
    """The value of a JSON body. Raises: TooLargeError, MalformedError."""
    if len(body) > limits.max_json:
        raise TooLargeError(
            "the JSON is too large",
            expected=f"at most {limits.max_json} bytes",
            got=f"{len(body)} bytes",
            do="Send an .npy or .h5 file.",
        )
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError("the body is not valid JSON", got=type(error).__name__) from error


def _json(body: bytes | bytearray, limits: Limits, readers: Readers, level: str) -> PredictionRequest:
    fields = parse_json(body, limits)
    if not isinstance(fields, dict) or not {"features", "slide_id"} & set(fields) or set(fields) - JSON_KEYS:
        expected = '{"features": [[...]]} or {"slide_id": ...}; optional: "coords": [[x, y], ...] and "encoder"'
        raise MalformedError("the JSON does not have the expected fields", expected=expected)
    texts = {name: fields.get(name, "") for name in ("encoder", "slide_id")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise MalformedError("the JSON does not have the expected fields", expected="encoder and slide_id: text")
    if "features" not in fields:
        if "coords" in fields:
            raise MalformedError("coords without features", expected='"features": [[...]], or neither')
        return readers.slide(texts["slide_id"], level).with_defaults(texts["encoder"], "")
    coords = _numbers(fields, "coords", limits) if fields.get("coords") is not None else None
    return PredictionRequest(_numbers(fields, "features", limits, level), coords, Provenance(**texts))


def _numbers(fields: dict[str, Any], name: str, limits: Limits, level: str = PATCH) -> NDArray[np.float64]:
    """The numbers [N, D] in a field."""
    rows = fields[name]
    if not isinstance(rows, list):
        raise MalformedError("the JSON does not have the expected fields", expected=f"{name}: a list of lists")
    if not rows:
        raise EmptyBagError("the slide has no patches", expected="at least one")
    try:
        numbers = np.asarray(rows)
    except ValueError as error:
        raise WrongDimensionError(
            f"the rows of {name} differ in length or nesting", expected="[N, D] numbers"
        ) from error
    if numbers.dtype.kind not in "fiu":
        raise MalformedError(f"{name} contains values that are not numbers", expected="[N, D] numbers")
    shape = matrix_shape(numbers.shape, level)
    validate_size(shape, 4, limits)
    return numbers.astype(np.float64).reshape(shape)


def matrix_shape(shape: tuple[int, ...], level: str = PATCH) -> tuple[int, int]:
    """[N, D] of [N, D] or [1, N, D]; at the level of slides also of [D], which is one row."""
    if len(shape) == 1 and level == SLIDE:
        shape = (1, *shape)
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2:
        raise WrongDimensionError("the features have the wrong shape", expected="[N, D]", got=list(shape))
    if shape[0] == 0:
        raise EmptyBagError("the slide has no patches", expected="at least one")
    return shape[0], shape[1]
