"""Messages of the Open Inference Protocol in the OpenAPI description.

Annotations in this module are not postponed, because a postponed `NotRequired` has no effect in a TypedDict.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import Parameter

from oceanpath.serving.openapi import problem_responses


class Live(TypedDict):
    """Whether the server runs."""

    live: bool


class Ready(TypedDict):
    """Whether all models are ready."""

    ready: bool


class ModelReady(TypedDict):
    """Whether a model is ready."""

    name: str
    ready: bool


class ServerMetadata(TypedDict):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(TypedDict):
    """An input or output."""

    name: str
    datatype: str
    shape: Annotated[list[int], Parameter(description="-1 for an axis of any length.")]


class ModelMetadata(TypedDict):
    """A model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ProtocolError(TypedDict):
    """An error."""

    error: str


class OutputTensor(TypedDict):
    """An output of a response."""

    name: str
    datatype: str
    shape: list[int]
    data: NotRequired[list[float]]
    parameters: NotRequired[dict[str, Any]]


def protocol_errors(*statuses: int) -> dict[int, ResponseSpec]:
    """HTTP status → its errors, as `problem_responses` but in the form of the protocol."""
    return {
        status: ResponseSpec(ProtocolError, description=spec.description, generate_examples=False)
        for status, spec in problem_responses(*statuses).items()
    }


def _list_of(*required: str, **properties: Schema) -> Schema:
    items = Schema(type=OpenAPIType.OBJECT, required=list(required), properties=dict(properties))
    return Schema(type=OpenAPIType.ARRAY, items=items)


TEXT, OBJECT = Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.OBJECT)
NUMBERS = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.NUMBER))
SHAPE = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.INTEGER))
TENSOR = {"name": TEXT, "datatype": TEXT, "shape": SHAPE, "data": NUMBERS, "parameters": OBJECT}
REQUEST = Schema(
    type=OpenAPIType.OBJECT,
    required=["inputs"],
    properties={
        "id": TEXT,
        "parameters": OBJECT,
        "inputs": _list_of("name", "datatype", "shape", **TENSOR),
        "outputs": _list_of("name", name=TEXT, parameters=OBJECT),
    },
)
RESPONSE = Schema(
    type=OpenAPIType.OBJECT,
    required=["model_name", "model_version", "outputs"],
    properties={
        "model_name": TEXT,
        "model_version": TEXT,
        "id": TEXT,
        "parameters": OBJECT,
        "outputs": _list_of("name", "datatype", "shape", **TENSOR),
    },
)
BINARY = Schema(type=OpenAPIType.STRING, description="JSON of inference-header-content-length bytes, then the tensors.")


@dataclass
class InferenceOperation(Operation):
    """POST /v2/models/NAME/infer; Litestar cannot derive its bodies."""

    def __post_init__(self) -> None:
        contents = {
            "application/json": OpenAPIMediaType(schema=REQUEST),
            "application/octet-stream": OpenAPIMediaType(schema=BINARY),
        }
        self.request_body = RequestBody(description="Tensors.", required=True, content=contents)
        answer = OpenAPIResponse(
            description="The outputs.",
            content={
                "application/json": OpenAPIMediaType(schema=RESPONSE),
                "application/octet-stream": OpenAPIMediaType(schema=BINARY),
            },
        )
        self.responses = {**(self.responses or {}), "200": answer}
