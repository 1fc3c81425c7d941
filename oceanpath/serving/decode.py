"""Bytes from a stranger → features. Sizes are compared before anything is allocated, and nothing is ever unpickled."""

from __future__ import annotations

import io
import json
import math
import tokenize
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features import read_features, scan_features
from oceanpath.errors import ArtifactError
from oceanpath.serving.problems import (
    BadFeaturesError,
    MalformedError,
    NoPatchesError,
    QuestionError,
    TooLargeError,
    UnknownFormatError,
    WrongDimensionError,
)

NPY_MAGIC = b"\x93NUMPY"
H5_MAGIC = b"\x89HDF\r\n\x1a\n"
ACCEPTED = 'an .h5 or .npy file, or JSON {"features": [[...]]}'
NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
BAD_HEADER = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError)
"""What numpy raises for a header that it cannot parse."""
H5_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError, AttributeError)
"""What h5py raises for bytes that are no HDF5 any more."""
MOST_LINKS, DEEPEST = 1000, 8
"""Of an HDF5 file; a feature file has two datasets and perhaps a group."""


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


def decode(body: bytes | bytearray, media_type: str, limits: Limits) -> Question:
    """The question in a body. The first bytes decide what it is; the media type speaks only for JSON.

    Args:
        body: The whole body, or the uploaded file of a form.
        media_type: As the client gave it; may be empty.
        limits: What is more is refused before it is allocated.

    Raises: MalformedError, UnknownFormatError, TooLargeError, WrongDimensionError, NoPatchesError, BadFeaturesError.
    """
    if not body:
        raise MalformedError("the body is empty", expected=ACCEPTED)
    if body.startswith(NPY_MAGIC):
        return Question(_npy(body, limits))
    if body.startswith(H5_MAGIC):
        return _h5(body, limits)
    if media_type.startswith("application/json") or body[:64].lstrip()[:1] == b"{":
        return _json(body, limits)
    raise UnknownFormatError(
        "the body is in no format that is read here", expected=ACCEPTED, got=media_type or "no media type"
    )


def _npy(body: bytes | bytearray, limits: Limits) -> NDArray[np.floating]:
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        shape, fortran, dtype = NPY_HEADERS[version](stream)
    except KeyError as error:
        raise MalformedError("this version of .npy is not read", expected="1.0 or 2.0") from error
    except BAD_HEADER as error:
        raise MalformedError("the .npy header cannot be parsed") from error
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise MalformedError("an .npy of another type", expected="float16, float32 or float64", got=dtype)
    shape = _two(shape)
    _hold_size(shape, dtype.itemsize, limits)
    rest = len(body) - stream.tell()
    if rest != math.prod(shape) * dtype.itemsize:
        said = f"{math.prod(shape) * dtype.itemsize} bytes for {list(shape)} {dtype}"
        raise MalformedError(
            "the .npy holds more or fewer bytes than its header says", expected=said, got=f"{rest} bytes"
        )
    flat = np.frombuffer(body, dtype, offset=stream.tell())
    found: NDArray[np.floating] = flat.reshape(shape, order="F" if fortran else "C")
    return found


def _h5(body: bytes | bytearray, limits: Limits) -> Question:
    _inspect_h5(body, limits)
    # The reader of the pipeline wants a path; a private file that is gone at the end of this block.
    with NamedTemporaryFile(suffix=".h5", prefix="oceanpath-") as file:
        file.write(body)
        file.flush()
        try:
            scanned = scan_features(Path(file.name))
            _hold_size((scanned.n, scanned.dim), 4, limits)
            with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf, and inf is refused by name
                features, coords = read_features(scanned)
        except QuestionError:
            raise
        except ArtifactError as error:  # said again without the path of the private file
            raise BadFeaturesError(error.what, expected=error.expected, got=error.got) from error
        except H5_DAMAGE as error:
            raise MalformedError("the .h5 is damaged", got=type(error).__name__) from error
    return Question(features, coords, scanned.encoder)


def _inspect_h5(body: bytes | bytearray, limits: Limits) -> None:
    """Refuse what HDF5 could be made to do: read other files, unpack without bound, or recurse until the stack ends."""
    try:
        with h5py.File(io.BytesIO(body), "r") as file:
            waiting, seen = [(file, 0)], 0
            while waiting:
                group, depth = waiting.pop()
                for name in group:
                    seen += 1
                    if seen > MOST_LINKS or depth > DEEPEST:
                        raise MalformedError("the .h5 is nested too deep or holds too much", expected="plain datasets")
                    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                        raise MalformedError("the .h5 holds a link", expected="plain datasets", got=name)
                    item = group[name]
                    if isinstance(item, h5py.Group):
                        waiting.append((item, depth + 1))
                    elif isinstance(item, h5py.Dataset):
                        _inspect_dataset(item, limits)
    except H5_DAMAGE as error:
        raise MalformedError("the .h5 is damaged or cut off", got=str(error).partition("\n")[0]) from error


def _inspect_dataset(item: Any, limits: Limits) -> None:
    if item.is_virtual or item.external:
        raise MalformedError("a dataset of the .h5 lies in another file", expected="plain datasets", got=item.name)
    if item.dtype.kind in "fiu":
        if item.ndim and item.shape[-2:-1] == (0,) and item.name.rsplit("/", 1)[-1] in {"features", "feats"}:
            raise NoPatchesError("the slide has no patches", expected="at least one")
        size = math.prod(item.shape) * item.dtype.itemsize
        if size > limits.max_bytes:
            raise TooLargeError(
                "a dataset of the .h5 is over the limit", expected=f"{limits.max_bytes} bytes", got=size
            )


def _json(body: bytes | bytearray, limits: Limits) -> Question:
    if len(body) > limits.max_json:
        raise TooLargeError(
            "too much JSON", expected=f"at most {limits.max_json} bytes", do="Send an .npy or .h5 file."
        )
    try:
        held = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError("the body is no JSON", got=type(error).__name__) from error
    if not isinstance(held, dict) or "features" not in held or set(held) - {"features", "encoder"}:
        raise MalformedError("JSON of another shape", expected='{"features": [[...]], "encoder": "..." (optional)}')
    encoder, rows = held.get("encoder", ""), held["features"]
    if not isinstance(rows, list) or not isinstance(encoder, str):
        raise MalformedError("JSON of another shape", expected="features: a list of lists; encoder: text")
    if not rows:
        raise NoPatchesError("the slide has no patches", expected="at least one")
    try:
        features = np.asarray(rows)
    except ValueError as error:
        raise WrongDimensionError("the rows have different lengths or depths", expected="[N, D] numbers") from error
    if features.dtype.kind not in "fiu":
        raise MalformedError("features holds something else than numbers", expected="[N, D] numbers")
    shape = _two(features.shape)
    _hold_size(shape, 4, limits)
    return Question(features.astype(np.float64).reshape(shape), None, encoder)


def _two(shape: tuple[int, ...]) -> tuple[int, int]:
    """[N, D] of [N, D] or [1, N, D]."""
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2:
        raise WrongDimensionError("features of the wrong shape", expected="[N, D]", got=list(shape))
    if shape[0] == 0:
        raise NoPatchesError("the slide has no patches", expected="at least one")
    return shape[0], shape[1]


def _hold_size(shape: tuple[int, int], itemsize: int, limits: Limits) -> None:
    if shape[0] > limits.max_patches:
        raise TooLargeError(
            "more patches than one question may have", expected=f"at most {limits.max_patches}", got=shape[0]
        )
    if math.prod(shape) * itemsize > limits.max_bytes:
        said = f"{math.prod(shape) * itemsize} bytes"
        raise TooLargeError("the features are over the limit", expected=f"at most {limits.max_bytes} bytes", got=said)
