"""Handlers that predict slides."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide

from oceanpath.serving.answers import AnyAnswer, BatchAnswer, Options, batch_options, query_options
from oceanpath.serving.model_routes import model_paths
from oceanpath.serving.models import Model
from oceanpath.serving.openapi import BatchOperation, PredictOperation, problem_responses
from oceanpath.serving.responses import Slides
from oceanpath.serving.service import Service


@get("/slides", sync_to_thread=False, responses=problem_responses(401))
def slides(state: State) -> Slides:
    """Ids of the slides in the configured folders of features and of slides; without such a folder there are none."""
    return {"slides": state["slides"].ids, "images": state["images"].ids}


@post(
    model_paths("predict"),
    status_code=200,
    operation_class=PredictOperation,
    responses=problem_responses(),
    dependencies={"options": Provide(query_options, sync_to_thread=False)},
)
async def predict(
    request: Request[Any, Any, State], state: State, served: NamedDependency[Model], options: NamedDependency[Options]
) -> AnyAnswer:
    """The prediction for one slide: class probabilities, values or an embedding, depending on the model."""
    service: Service = state["service"]
    return await service.predict(request, served, options)


@post(
    model_paths("predict/batch"),
    status_code=200,
    operation_class=BatchOperation,
    responses=problem_responses(),
    dependencies={"options": Provide(batch_options, sync_to_thread=False)},
)
async def predict_batch(
    request: Request[Any, Any, State], state: State, served: NamedDependency[Model], options: NamedDependency[Options]
) -> list[BatchAnswer]:
    """The predictions for several slides, in the order of the request, each with its answer or its error."""
    service: Service = state["service"]
    return await service.predict_batch(request, served, options)
