"""The HTTP application.

    GET  /          a page for predicting dropped files, with its files below /web/
    GET  /health    {"status", "ready", "model", "digest", "models"}; also /ready
    GET  /models    names and versions of all models; the first one answers requests that name none
    GET  /model     the facts of bundle.json
    GET  /model-card    the model card
    POST /predict   an .h5 or .npy body, JSON {"features": [[...]]}, or a form with one file → class probabilities,
                    values (survival, regression, several labels) or the embedding of the slide
                    ?attention=1 adds the attention of every patch, and its coordinates if they were sent
                    ?members=1 adds the probabilities of each member
                    ?encoder=NAME states the encoder of the features, if the file does not
                    ?slide_id=ID states the slide, if the file does not; needed to sample patches above the model's cap
                    coordinates are in the .h5, in "coords" of JSON, or in a second .npy of a form, named coords
    POST /predict/batch    a form of several files, or JSON {"slide_ids": [...]} → one answer or error per slide
    GET  /slides    ids of the slides in the configured folder; JSON {"slide_id": ...} predicts one of them
    GET  /slides/ID/image    size and resolution of a slide in the configured folder of slides
    GET  /slides/ID/image.dzi    the slide as a Deep Zoom image, with its tiles below /slides/ID/image_files/
    GET  /slides/ID/patch    ?x=&y=&side= in level-0 pixels → a patch of the slide as JPEG
    GET  /metrics   measurements in the text format of Prometheus
    /v2             the Open Inference Protocol, see `oceanpath.serving.open_inference`
    GET  /schema    the OpenAPI description of the server
    GET  /docs      the same as a page

One of several models: /models/NAME/predict or /models/NAME/versions/VERSION/predict; /models/NAME and
/models/NAME/model-card likewise. With keys, all but the pages and /health need one (`oceanpath.serving.access`).
Errors are {"error": {"status", "code", "message", ...}}; see `oceanpath.serving.errors`.
"""

from __future__ import annotations

from typing import Any

from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp

from oceanpath.serving.access import OPEN, Keys, require_key
from oceanpath.serving.audit_log import AuditLog
from oceanpath.serving.docs_page import render_docs
from oceanpath.serving.error_responses import HANDLERS
from oceanpath.serving.metrics import Metrics
from oceanpath.serving.middleware import Records, RequestMiddleware
from oceanpath.serving.model_routes import ABOUT_MODELS, select_model
from oceanpath.serving.models import Models
from oceanpath.serving.open_inference.routes import OPEN_INFERENCE
from oceanpath.serving.openapi import openapi_config
from oceanpath.serving.page import page_response, web_asset, web_file
from oceanpath.serving.predict_routes import predict, predict_batch, slides
from oceanpath.serving.service import Service
from oceanpath.serving.settings import ServeSettings, is_loopback
from oceanpath.serving.slide_folder import SlideFolder
from oceanpath.serving.slide_images import SlideImages
from oceanpath.serving.slide_pictures import Pictures
from oceanpath.serving.slide_routes import OF_SLIDES

LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")


def create_app(served: Models, settings: ServeSettings) -> ASGIApp:
    """The ASGI application that answers with the models in `served`.

    Raises: ExperimentError: the audit log cannot be written, or a configured folder has no features or slides.
    """
    metrics = Metrics()
    audit = None if settings.audit_log is None else AuditLog(settings.audit_log)
    folder = SlideFolder.open(settings.features, settings.features_key)
    service, images = Service(settings, metrics, folder), SlideImages.open(settings.slides)
    pictures = Pictures(images, settings.answer_seconds, metrics.active_pictures)
    state = {"models": served, "metrics": metrics, "service": service, "slides": folder, "keys": Keys(settings.keys)}
    state |= {"images": images, "pictures": pictures}
    app = Litestar(
        route_handlers=[*PAGES, *ABOUT_MODELS, slides, predict, predict_batch, *OF_SLIDES, OPEN_INFERENCE],
        state=State(state),
        dependencies={"served": Provide(select_model, sync_to_thread=False)},
        guards=[require_key],
        on_shutdown=[service.close, pictures.close, *([audit.close] if audit else [])],
        exception_handlers=HANDLERS,
        request_max_body_size=settings.max_body_mib * 2**20,
        multipart_form_part_limit=max(4, settings.max_batch),
        openapi_config=openapi_config(),
        logging_config=None,
        debug=False,
    )
    local = is_loopback(settings.host) and not settings.allow_remote
    hosts = (*LOCAL_NAMES, settings.host) if local else ()
    return RequestMiddleware(app, hosts, settings.body_seconds, Records(metrics, audit))


@get("/", media_type=MediaType.HTML, sync_to_thread=False, include_in_schema=False, opt=OPEN)
def page(request: Request[Any, Any, State], state: State) -> Response[str]:
    """The page for predicting dropped files; the API reference for models whose answers the page does not show."""
    if not state["models"].get().engine.has_members:
        return _reference(request)
    return page_response(web_file("index.html"))


@get("/docs", media_type=MediaType.HTML, sync_to_thread=False, include_in_schema=False, opt=OPEN)
def docs(request: Request[Any, Any, State]) -> Response[str]:
    """The API reference."""
    return _reference(request)


def _reference(request: Request[Any, Any, State]) -> Response[str]:
    return page_response(render_docs(request.app.openapi_schema.to_schema(), str(request.base_url).rstrip("/")))


PAGES = (page, web_asset, docs)
