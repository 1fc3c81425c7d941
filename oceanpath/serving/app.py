"""The HTTP application.

    GET  /          a page to drop a file on
    GET  /health    {"status", "ready", "model", "digest"}
    GET  /model     the facts of bundle.json
    POST /predict   an .h5 or .npy body, JSON {"features": [[...]]}, or a form with one file → class probabilities
                    ?attention=1 adds the weight of every patch (and its coordinates, where they were sent)
                    ?members=1 adds the probabilities of each member
                    ?encoder=NAME says what made the features, where the file does not
                    ?slide_id=ID says whose they are, where the file does not; a model with a cap draws patches by it
                    coordinates come in the .h5, as "coords" in JSON, or as a second .npy of a form, named coords

Errors are {"error": {"status", "code", "message", ...}}; see `oceanpath.serving.problems`.
"""

from __future__ import annotations

from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.types import ASGIApp

from oceanpath.artifacts.bundle import NOTICE
from oceanpath.serving.engine import Engine
from oceanpath.serving.guard import Guard
from oceanpath.serving.page import CONTENT_POLICY, PAGE
from oceanpath.serving.replies import HANDLERS
from oceanpath.serving.service import Service
from oceanpath.serving.settings import ServeSettings, is_loopback

LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")


def create_app(engine: Engine, settings: ServeSettings) -> ASGIApp:
    """The ASGI application that answers with `engine`."""
    service = Service(engine, settings)
    app = Litestar(
        route_handlers=[page, health, model, predict],
        state=State({"service": service}),
        on_shutdown=[service.close],
        exception_handlers=HANDLERS,
        request_max_body_size=settings.max_body_mib * 2**20,
        multipart_form_part_limit=4,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    local = is_loopback(settings.host) and not settings.allow_remote
    return Guard(app, (*LOCAL_NAMES, settings.host) if local else (), settings.body_seconds)


@get("/", media_type=MediaType.HTML, sync_to_thread=False)
def page() -> Response[str]:
    """The page, all in one document."""
    return Response(PAGE, media_type=MediaType.HTML, headers={"content-security-policy": CONTENT_POLICY})


@get("/health", sync_to_thread=False)
def health(state: State) -> dict[str, Any]:
    """Whether the server answers, and as which model. The engine passed its self-test before the server listened."""
    facts = state.service.engine.facts
    return {"status": "ok", "ready": True, "model": facts.name, "digest": facts.digest}


@get("/model", sync_to_thread=False)
def model(state: State) -> dict[str, Any]:
    """The facts of the bundle."""
    facts: dict[str, Any] = state.service.engine.facts.model_dump(mode="json")
    return facts


@post("/predict", status_code=200)
async def predict(
    request: Request[Any, Any, State],
    state: State,
    attention: bool = False,
    members: bool = False,
    encoder: str = "",
    slide_id: str = "",
) -> dict[str, Any]:
    """Class probabilities of one slide."""
    service: Service = state.service
    question, answer = await service.answer(request, encoder, slide_id)
    cut = service.engine.facts.threshold.value
    reply: dict[str, Any] = {
        "predicted": answer.predicted,
        "probabilities": dict(zip(answer.classes, answer.probabilities.tolist(), strict=True)),
        "decision": answer.decision,
        "threshold": cut,
        "n_patches": answer.n_patches,
        "n_used": answer.n_used,
        "slide_id": question.about.slide_id or None,
        "in_training": answer.in_training,
        "notes": list(answer.notes),
        "model": {"name": service.engine.facts.name, "digest": answer.model_digest},
        "notice": NOTICE,
    }
    if attention:
        reply["attention"] = answer.attention.tolist()
        reply["coords"] = None if question.coords is None else question.coords.round().astype(int).tolist()
    if members:
        named = zip(service.engine.facts.members, answer.members.tolist(), strict=True)
        reply["members"] = [
            {"fold": one.fold, "probabilities": dict(zip(answer.classes, p, strict=True))} for one, p in named
        ]
    return reply
