"""Requests and responses of the Open Inference Protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.facts import NOTICE
from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.serving.decode import parse_json
from oceanpath.serving.errors import MalformedError, RequestError
from oceanpath.serving.models import Model
from oceanpath.serving.open_inference.schema import ModelMetadata, TensorMetadata
from oceanpath.serving.open_inference.tensors import find_features, read_tensors, render_tensors
from oceanpath.serving.patch_stream import PatchLayout
from oceanpath.serving.prediction_request import Limits, PredictionRequest
from oceanpath.serving.slide_engine import AnyEngine, SlidePrediction

HEADER_LENGTH = "inference-header-content-length"
PLATFORM = "oceanpath_onnxruntime"
ATTENTION = "attention"


@dataclass(frozen=True)
class InferenceRequest:
    """One request: a slide, and which outputs are sent in which form."""

    id: str
    slide: PredictionRequest
    outputs: dict[str, bool]
    """Name of an output → whether it is binary."""


def parse_request(body: bytearray, header_length: str | None, limits: Limits, engine: AnyEngine) -> InferenceRequest:
    """The request in a body whose JSON part has `header_length` bytes; without it, the whole body is JSON.

    Raises: MalformedError, TooLargeError.
    """
    length = len(body) if header_length is None else _length(header_length, len(body))
    fields = _fields(body[:length], limits)
    arrays = read_tensors(fields.get("inputs"), memoryview(body)[length:], limits)
    if "features" not in arrays:
        raise MalformedError("the request has no input named features", got=sorted(arrays))
    return _request(fields, arrays, engine)


def find_streamed(
    start: bytearray, header_length: str | None, limits: Limits, engine: AnyEngine
) -> tuple[InferenceRequest, PatchLayout] | None:
    """The request in a body that begins with `start`, without its features, and how the body contains them.

    None for a body that is needed as a whole; one that is not valid is parsed as a whole, and gets its error there.
    """
    try:
        length = _length(header_length or "", len(start))
        fields = _fields(start[:length], limits)
        layout = find_features(fields.get("inputs"), limits, length)
        if layout is None or not layout.is_streamed(engine.facts.contract):
            return None
        return _request(fields, {"features": np.empty((0, 0))}, engine), layout
    except RequestError:
        return None


def _fields(header: bytearray, limits: Limits) -> dict[str, Any]:
    """The JSON part of a request. Raises: MalformedError, TooLargeError."""
    fields = parse_json(header, limits)
    if not isinstance(fields, dict):
        raise MalformedError("the request is no JSON object", expected='{"inputs": [...]}')
    return fields


def _request(fields: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], engine: AnyEngine) -> InferenceRequest:
    """The request with these inputs. Raises: MalformedError."""
    request_id = fields.get("id", "")
    parameters = fields.get("parameters", {})
    if not isinstance(request_id, str) or not isinstance(parameters, dict):
        raise MalformedError("the request is not valid", expected="id: text, parameters: an object")
    texts = {name: parameters.get(name, "") for name in ("encoder", "slide_id")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise MalformedError("the parameters are not valid", expected="encoder and slide_id: text")
    slide = PredictionRequest(arrays["features"], arrays.get("coords"), Provenance(**texts)).with_defaults("", "")
    binary = parameters.get("binary_data_output") is True
    return InferenceRequest(request_id, slide, _outputs(fields.get("outputs"), output_names(engine), binary))


def render_response(request: InferenceRequest, model: Model, prediction: SlidePrediction) -> tuple[bytes, int]:
    """The body of the response, and the length of its JSON part."""
    arrays = _arrays(model.engine, prediction)
    ordered = {name: arrays[name] for name in request.outputs}
    outputs, parts = render_tensors(ordered, [name for name, is_binary in request.outputs.items() if is_binary])
    header = {
        "model_name": model.name,
        "model_version": model.version,
        **({"id": request.id} if request.id else {}),
        "parameters": _parameters(model.engine, prediction),
        "outputs": outputs,
    }
    text = json.dumps(header).encode()
    return b"".join([text, *parts]), len(text)


def output_names(engine: AnyEngine) -> tuple[str, str]:
    """The outputs of a model."""
    return engine.outputs[0], ATTENTION


def describe_model(model: Model, versions: list[str]) -> ModelMetadata:
    """The metadata of a model."""
    facts, engine = model.facts, model.engine
    datatype = "FP64" if engine.tensor_dtype is np.float64 else "FP32"
    shape = [1, -1, facts.contract.feature_dim]
    inputs: list[TensorMetadata] = [{"name": "features", "datatype": "FP32", "shape": shape}]
    if facts.contract.coords == "required":
        inputs.append({"name": "coords", "datatype": "INT32", "shape": [1, -1, 2]})
    outputs: list[TensorMetadata] = [
        {"name": engine.outputs[0], "datatype": datatype, "shape": [1, len(engine.columns)]},
        {"name": ATTENTION, "datatype": "FP32", "shape": [1, -1]},
    ]
    return {
        "name": model.name,
        "versions": versions,
        "platform": PLATFORM,
        "inputs": inputs,
        "outputs": outputs,
    }


def _length(text: str, total: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= total):
        raise MalformedError(f"the header {HEADER_LENGTH} is not valid", expected=f"at most {total}", got=text)
    return int(text)


def _outputs(requested: object, known: tuple[str, ...], binary: bool) -> dict[str, bool]:
    """Name → whether it is binary, for the requested outputs; all without a request."""
    if requested is None:
        return dict.fromkeys(known, binary)
    outputs: dict[str, bool] = {}
    for each in requested if isinstance(requested, list) else [None]:
        name = each.get("name") if isinstance(each, dict) else None
        parameters = each.get("parameters", {}) if isinstance(each, dict) else None
        if name not in known or not isinstance(parameters, dict):
            raise MalformedError("an output is not known", expected=" or ".join(known), got=name)
        outputs[str(name)] = bool(parameters.get("binary_data", binary))
    return outputs or dict.fromkeys(known, binary)


def _arrays(engine: AnyEngine, prediction: SlidePrediction) -> Mapping[str, NDArray[Any]]:
    """The outputs with the axis of the batch."""
    values = engine.values(prediction).astype(engine.tensor_dtype)
    return {engine.outputs[0]: values[None], ATTENTION: prediction.attention[None].astype(np.float32)}


def _parameters(engine: AnyEngine, prediction: SlidePrediction) -> dict[str, Any]:
    parameters: dict[str, Any] = {"notice": NOTICE, "in_training": prediction.in_training}
    if prediction.similarity is not None:
        parameters["out_of_distribution"] = prediction.similarity.is_ood
    return parameters | engine.decisions(prediction)
