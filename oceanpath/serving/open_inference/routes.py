"""Handlers of the Open Inference Protocol. Errors are {"error": "message"}, as the protocol requires."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException

from oceanpath import __version__
from oceanpath.serving.access import OPEN
from oceanpath.serving.bodies import read_stream
from oceanpath.serving.error_responses import http_error, request_error, server_error
from oceanpath.serving.errors import RequestError
from oceanpath.serving.exchange import exchange_of
from oceanpath.serving.models import Model
from oceanpath.serving.open_inference.messages import (
    HEADER_LENGTH,
    InferenceRequest,
    describe_model,
    find_streamed,
    parse_request,
    render_response,
)
from oceanpath.serving.open_inference.schema import (
    InferenceOperation,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    protocol_errors,
)
from oceanpath.serving.patch_stream import PatchStream
from oceanpath.serving.service import Service

MODEL = "/models/{name:str}"
VERSION = MODEL + "/versions/{version:str}"
AnyRequest = Request[Any, Any, State]


@get("/", sync_to_thread=False, responses=protocol_errors(401))
def server_metadata() -> ServerMetadata:
    """Name and version of the server, and its extensions of the protocol."""
    return {"name": "oceanpath", "version": __version__, "extensions": ["binary_tensor_data"]}


@get("/health/live", sync_to_thread=False, opt=OPEN)
def live() -> Live:
    """Whether the server runs."""
    return {"live": True}


@get("/health/ready", sync_to_thread=False, opt=OPEN)
def ready() -> Ready:
    """Whether all models are ready; without them the server does not accept connections."""
    return {"ready": True}


@get([MODEL + "/ready", VERSION + "/ready"], sync_to_thread=False, responses=protocol_errors(401, 404))
def model_ready(served: NamedDependency[Model]) -> ModelReady:
    """Whether a model is ready."""
    return {"name": served.name, "ready": True}


@get([MODEL, VERSION], sync_to_thread=False, responses=protocol_errors(401, 404))
def model_metadata(state: State, served: NamedDependency[Model]) -> ModelMetadata:
    """Inputs and outputs of a model."""
    versions = [model.version for model in state["models"] if model.name == served.name]
    return describe_model(served, versions)


@post(
    [MODEL + "/infer", VERSION + "/infer"],
    status_code=200,
    operation_class=InferenceOperation,
    responses=protocol_errors(),
)
async def infer(request: AnyRequest, state: State, served: NamedDependency[Model]) -> Response[bytes]:
    """The prediction for one slide, with tensors as JSON or binary."""
    service: Service = state["service"]
    exchange, length = exchange_of(request), request.headers.get(HEADER_LENGTH)
    streamed: list[InferenceRequest] = []

    def begin(body: bytearray) -> PatchStream | None:
        found = find_streamed(body, length, service.limits, served.engine)
        if found is None:
            return None
        asked, layout = found
        streamed.append(asked)
        return service.begin(layout, asked.slide.provenance, served, exchange)

    async def read() -> bytearray | PatchStream:
        return await read_stream(request, service.limits.max_bytes, begin)

    def answer(body: bytearray | PatchStream) -> tuple[bytes, int]:
        if isinstance(body, PatchStream):
            return render_response(streamed[0], served, service.complete(body, served, exchange))
        asked = parse_request(body, length, service.limits, served.engine)
        return render_response(asked, served, service.predict_slide(asked.slide, served, exchange))

    content, header = await service.run(read, answer)
    if header == len(content):
        return Response(content, media_type="application/json")
    return Response(content, media_type="application/octet-stream", headers={HEADER_LENGTH: str(header)})


def _as_text(reply: Response[Any]) -> Response[Any]:
    reply.content = {"error": reply.content["error"]["message"]}
    return reply


OPEN_INFERENCE = Router(
    "/v2",
    route_handlers=[server_metadata, live, ready, model_ready, model_metadata, infer],
    exception_handlers={
        RequestError: lambda request, error: _as_text(request_error(request, error)),
        HTTPException: lambda request, error: _as_text(http_error(request, error)),
        Exception: lambda request, error: _as_text(server_error(request, error)),
    },
)
