"""The HTTP application.

    GET  /          a page for predicting dropped files, with /app.js and /style.css
    GET  /health    {"status", "ready", "model", "digest"}
    GET  /model     the facts of bundle.json
    POST /predict   an .h5 or .npy body, JSON {"features": [[...]]}, or a form with one file → class probabilities,
                    values (survival, regression, several labels) or the embedding of the slide
                    ?attention=1 adds the attention of every patch, and its coordinates if they were sent
                    ?members=1 adds the probabilities of each member
                    ?encoder=NAME states the encoder of the features, if the file does not
                    ?slide_id=ID states the slide, if the file does not; needed to sample patches above the model's cap
                    coordinates are in the .h5, in "coords" of JSON, or in a second .npy of a form, named coords
    GET  /schema    the OpenAPI description of the server
    GET  /docs      the same as a page

Errors are {"error": {"status", "code", "message", ...}}; see `oceanpath.serving.errors`.
"""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.types import ASGIApp

from oceanpath.artifacts.bundle.facts import BundleFacts, EmbeddingFacts, ModelFacts
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.serving.docs_page import render_docs
from oceanpath.serving.embedder import Embedder, SlideEmbedding
from oceanpath.serving.engine import Engine, Prediction
from oceanpath.serving.error_responses import HANDLERS
from oceanpath.serving.middleware import RequestMiddleware
from oceanpath.serving.openapi import PredictOperation, openapi_config, problem_responses
from oceanpath.serving.page import page_response, web_file
from oceanpath.serving.responses import Answer, EmbeddingAnswer, Health, describe, describe_embedding
from oceanpath.serving.service import Service
from oceanpath.serving.settings import ServeSettings, is_loopback
from oceanpath.serving.value_engine import ValueEngine, ValuePrediction
from oceanpath.serving.value_responses import ValueAnswer, describe_values

LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")
AddMembers = Annotated[bool, Parameter(description="Add the prediction of each member of the ensemble.")]
AddAttention = Annotated[bool, Parameter(description="Add the attention and the coordinates of every patch.")]
StatedEncoder = Annotated[str, Parameter(description="Encoder of the features, if the file does not state it.")]
StatedSlide = Annotated[str, Parameter(description="Slide of the features, if the file does not state it.")]


def create_app(engine: Engine | Embedder | ValueEngine, settings: ServeSettings) -> ASGIApp:
    """The ASGI application that answers with `engine`."""
    service: Service[Any] = Service(engine, settings)
    own: list[Any] = [page, script, model, predict]
    if isinstance(engine, Embedder):
        own = [reference_page, embedding_model, embed]
    if isinstance(engine, ValueEngine):
        own = [reference_page, value_model, predict_values]
    app = Litestar(
        route_handlers=[*own, style, docs, health],
        state=State({"service": service, "facts": engine.facts}),
        on_shutdown=[service.close],
        exception_handlers=HANDLERS,
        request_max_body_size=settings.max_body_mib * 2**20,
        multipart_form_part_limit=4,
        openapi_config=openapi_config(),
        logging_config=None,
        debug=False,
    )
    local = is_loopback(settings.host) and not settings.allow_remote
    return RequestMiddleware(app, (*LOCAL_NAMES, settings.host) if local else (), settings.body_seconds)


@get("/", media_type=MediaType.HTML, sync_to_thread=False, include_in_schema=False)
def page() -> Response[str]:
    """The page for predicting dropped files."""
    return page_response(web_file("index.html"))


@get("/app.js", media_type="text/javascript", sync_to_thread=False, include_in_schema=False)
def script() -> str:
    """The script of the page."""
    return web_file("app.js")


@get("/style.css", media_type=MediaType.CSS, sync_to_thread=False, include_in_schema=False)
def style() -> str:
    """The style of all pages."""
    return web_file("style.css")


@get("/docs", media_type=MediaType.HTML, sync_to_thread=False, include_in_schema=False)
def docs(request: Request[Any, Any, State]) -> Response[str]:
    """The API reference."""
    return _reference(request)


def _reference(request: Request[Any, Any, State]) -> Response[str]:
    return page_response(render_docs(request.app.openapi_schema.to_schema(), str(request.base_url).rstrip("/")))


@get("/health", sync_to_thread=False)
def health(state: State) -> Health:
    """State of the server and its model. The model passes a self-test before the server accepts connections."""
    facts: ModelFacts = state.facts
    return {"status": "ok", "ready": True, "model": facts.name, "digest": facts.digest}


@get("/model", sync_to_thread=False)
def model(state: State) -> BundleFacts:
    """The facts of the bundle: classes, required features, performance."""
    facts: BundleFacts = state.facts
    return facts


@post("/predict", status_code=200, operation_class=PredictOperation, responses=problem_responses())
async def predict(
    request: Request[Any, Any, State],
    state: State,
    attention: AddAttention = False,
    members: Annotated[bool, Parameter(description="Add the probabilities of each member of the ensemble.")] = False,
    encoder: StatedEncoder = "",
    slide_id: StatedSlide = "",
) -> Answer:
    """Class probabilities of one slide."""
    service: Service[Prediction] = state.service
    slide, prediction = await service.predict(request, encoder, slide_id)
    return describe(state.facts, slide, prediction, attention=attention, members=members)


@get("/", media_type=MediaType.HTML, sync_to_thread=False, include_in_schema=False)
def reference_page(request: Request[Any, Any, State]) -> Response[str]:
    """The API reference, for models whose answers the page does not show."""
    return _reference(request)


@get("/model", sync_to_thread=False)
def value_model(state: State) -> ValueFacts:
    """The facts of the bundle: meaning and unit of the values, required features, performance."""
    facts: ValueFacts = state.facts
    return facts


@post("/predict", status_code=200, operation_class=PredictOperation, responses=problem_responses())
async def predict_values(
    request: Request[Any, Any, State],
    state: State,
    attention: AddAttention = False,
    members: AddMembers = False,
    encoder: StatedEncoder = "",
    slide_id: StatedSlide = "",
) -> ValueAnswer:
    """The predicted values of one slide."""
    service: Service[ValuePrediction] = state.service
    slide, prediction = await service.predict(request, encoder, slide_id)
    return describe_values(state.facts, slide, prediction, attention=attention, members=members)


@get("/model", sync_to_thread=False)
def embedding_model(state: State) -> EmbeddingFacts:
    """The facts of the bundle: required features, pretraining."""
    facts: EmbeddingFacts = state.facts
    return facts


@post("/predict", status_code=200, operation_class=PredictOperation, responses=problem_responses())
async def embed(
    request: Request[Any, Any, State],
    state: State,
    attention: AddAttention = False,
    encoder: StatedEncoder = "",
    slide_id: StatedSlide = "",
) -> EmbeddingAnswer:
    """The embedding of one slide."""
    service: Service[SlideEmbedding] = state.service
    slide, embedding = await service.predict(request, encoder, slide_id)
    return describe_embedding(state.facts, slide, embedding, attention=attention)
