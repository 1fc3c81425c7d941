"""Tensors of the Open Inference Protocol as arrays, and arrays as tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.serving.errors import MalformedError
from oceanpath.serving.patch_stream import PatchLayout
from oceanpath.serving.prediction_request import Limits, validate_size

DTYPES: dict[str, np.dtype[Any]] = {
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
INPUTS = {"features": ("FP16", "FP32", "FP64"), "coords": ("INT32", "INT64", "FP32", "FP64")}
"""Name of an input → its data types."""
SIZE = "binary_data_size"


def read_tensors(inputs: object, binary: memoryview, limits: Limits) -> dict[str, NDArray[Any]]:
    """The inputs of a request as arrays [N, D]; those with the parameter `SIZE` are views of `binary`, in order.

    Raises: MalformedError, TooLargeError.
    """
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        raise MalformedError("the request has no list of inputs", expected='"inputs": [{"name": ...}, ...]')
    arrays: dict[str, NDArray[Any]] = {}
    for tensor in inputs:
        name, shape, dtype = _declared(tensor, limits)
        if name in arrays:
            raise MalformedError("an input is sent twice", got=name)
        size = _parameters(tensor).get(SIZE)
        if size is None:
            flat = _from_json(tensor, dtype, name)
        else:
            flat, binary = _from_binary(binary, size, dtype, name)
        if flat.size != math.prod(shape):
            expected = f"{math.prod(shape)} numbers for {list(shape)}"
            raise MalformedError(f"the data of {name} does not match its shape", expected=expected, got=flat.size)
        arrays[name] = flat.reshape(shape)
    _validate_end(len(binary))
    return arrays


def find_features(inputs: object, limits: Limits, offset: int) -> PatchLayout | None:
    """The layout of a body whose only input is binary features, from byte `offset`; None for every other one.

    Raises: MalformedError, TooLargeError.
    """
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        return None
    name, shape, dtype = _declared(inputs[0], limits)
    layout = PatchLayout(shape, dtype, offset, _validate_features)
    return layout if name == "features" and _parameters(inputs[0]).get(SIZE) == layout.nbytes else None


def _validate_features(received: int, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    size = math.prod(shape) * dtype.itemsize
    _validate_binary(size, received, dtype, "features")
    _validate_end(received - size)


def render_tensors(
    arrays: Mapping[str, NDArray[Any]], as_binary: Iterable[str]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The outputs of a response, and the bytes of those in `as_binary`, in the same order."""
    outputs, parts, binary = [], [], set(as_binary)
    for name, array in arrays.items():
        output: dict[str, Any] = {"name": name, "datatype": NAMES[array.dtype], "shape": list(array.shape)}
        if name in binary:
            parts.append(array.tobytes())
            output["parameters"] = {SIZE: len(parts[-1])}
        else:
            output["data"] = array.ravel().tolist()
        outputs.append(output)
    return outputs, parts


def _declared(tensor: Mapping[str, Any], limits: Limits) -> tuple[str, tuple[int, int], np.dtype[Any]]:
    """Name, shape [N, D] and dtype of an input; the size is checked before its data is read."""
    name, datatype, shape = tensor.get("name"), tensor.get("datatype"), tensor.get("shape")
    if not isinstance(name, str) or name not in INPUTS:
        raise MalformedError("an input has an unknown name", expected=" or ".join(INPUTS), got=name)
    if datatype not in INPUTS[name]:
        raise MalformedError(f"{name} has the wrong data type", expected=" or ".join(INPUTS[name]), got=datatype)
    if not isinstance(shape, list) or not all(type(length) is int and length >= 0 for length in shape):
        raise MalformedError(f"{name} has no valid shape", expected="a list of whole numbers", got=shape)
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2:
        raise MalformedError(f"{name} has the wrong shape", expected="[N, D] or [1, N, D]", got=shape)
    dtype = DTYPES[datatype]
    validate_size((shape[0], shape[1]), dtype.itemsize, limits)
    return name, (shape[0], shape[1]), dtype


def _from_binary(binary: memoryview, size: object, dtype: np.dtype[Any], name: str) -> tuple[NDArray[Any], memoryview]:
    count = _validate_binary(size, len(binary), dtype, name)
    return np.frombuffer(binary[:count], dtype), binary[count:]


def _validate_binary(size: object, received: int, dtype: np.dtype[Any], name: str) -> int:
    """The stated number of bytes of an input. Raises: MalformedError: it is impossible, or more than was received."""
    if type(size) is not int or size < 0 or size % dtype.itemsize or size > received:
        expected = f"a multiple of {dtype.itemsize}, at most {received} bytes"
        raise MalformedError(f"the {SIZE} of {name} does not match the body", expected=expected, got=size)
    return size


def _validate_end(rest: int) -> None:
    """Raise MalformedError unless no byte follows the last input."""
    if rest:
        raise MalformedError("bytes remain after the last input", got=f"{rest} bytes")


def _from_json(tensor: Mapping[str, Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    if dtype == DTYPES["FP16"]:
        raise MalformedError("FP16 has no JSON form", expected=f"binary data with {SIZE}", got=name)
    try:
        values = np.asarray(tensor.get("data"))
    except ValueError as error:
        raise MalformedError(f"the rows of {name} differ in length or nesting") from error
    kinds = "iu" if dtype.kind == "i" else "iuf"
    if values.dtype.kind not in kinds and values.size:
        raise MalformedError(f"the data of {name} has values of another type", expected=NAMES[dtype])
    if dtype.kind == "i" and values.size and not _fits(values, dtype):
        raise MalformedError(f"the data of {name} is out of the range of its type", expected=NAMES[dtype])
    with np.errstate(over="ignore"):  # beyond the dtype becomes inf, which is rejected later
        flat: NDArray[Any] = values.astype(dtype).ravel()
    return flat


def _fits(values: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= int(values.min()) and int(values.max()) <= limits.max)


def _parameters(tensor: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = tensor.get("parameters", {})
    if not isinstance(parameters, dict):
        raise MalformedError("parameters are not an object", got=type(parameters).__name__)
    return parameters
