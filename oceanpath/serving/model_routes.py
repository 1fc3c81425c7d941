"""Handlers about the server and its models: health, metadata, model cards, metrics."""

from __future__ import annotations

from typing import Annotated

from litestar import MediaType, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import Parameter

from oceanpath.artifacts.bundle.facts import BundleFacts, EmbeddingFacts
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.serving import metrics
from oceanpath.serving.access import OPEN
from oceanpath.serving.models import Model, Models
from oceanpath.serving.openapi import problem_responses
from oceanpath.serving.responses import Health, ListedModel

Name = Annotated[str, Parameter(description="Name of the model; default: the first one that the server lists.")]
Version = Annotated[str, Parameter(description="Version of the model; default: the first one with this name.")]
UNKNOWN = problem_responses(401, 404)


def model_paths(leaf: str, of_first: str = "") -> list[str]:
    """The addresses of a handler for the first model, for one by name, and for one by name and version."""
    by_name, by_version = "/models/{name:str}", "/models/{name:str}/versions/{version:str}"
    return [of_first or f"/{leaf}", *(f"{path}/{leaf}".rstrip("/") for path in (by_name, by_version))]


def select_model(state: State, name: Name = "", version: Version = "") -> Model:
    """The model of a request. It is selected once, so an answer never mixes two models."""
    models: Models = state["models"]
    return models.get(name, version)


@get(["/health", "/ready"], sync_to_thread=False, opt=OPEN)
def health(state: State) -> Health:
    """State of the server and its models. They pass a self-test before the server accepts connections."""
    facts = state["models"].get().facts
    names = [model.name for model in state["models"]]
    return {"status": "ok", "ready": True, "model": facts.name, "digest": facts.digest, "models": names}


@get("/models", sync_to_thread=False, responses=problem_responses(401))
def models(state: State) -> list[ListedModel]:
    """All served models; the first one answers requests that name none."""
    return [{"name": model.name, "version": model.version, "digest": model.facts.digest} for model in state["models"]]


@get(model_paths("", of_first="/model"), sync_to_thread=False, responses=UNKNOWN)
def model(served: NamedDependency[Model]) -> BundleFacts | ValueFacts | EmbeddingFacts:
    """The facts of the bundle: classes or values, required features, performance."""
    facts: BundleFacts | ValueFacts | EmbeddingFacts = served.engine.facts
    return facts


@get(model_paths("model-card"), sync_to_thread=False, media_type="text/markdown", responses=UNKNOWN)
def model_card(served: NamedDependency[Model]) -> str:
    """The model card: intended use, training data, performance, limits."""
    return served.card


@get("/metrics", sync_to_thread=False, media_type=MediaType.TEXT, responses=problem_responses(401))
def measurements(state: State) -> Response[bytes]:
    """Requests, times, patches and memory in the text format of Prometheus."""
    return Response(state["metrics"].render(state["models"]), media_type=metrics.MEDIA_TYPE)


ABOUT_MODELS = (health, models, model, model_card, measurements)
