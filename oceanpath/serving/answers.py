"""Predictions of every kind of model as responses.

Annotations in this module are not postponed, because a postponed `NotRequired` has no effect in a TypedDict.
"""

from dataclasses import dataclass
from typing import Annotated, NotRequired, TypedDict, cast

import numpy as np
from litestar.params import Parameter

from oceanpath.artifacts.bundle.facts import NOTICE
from oceanpath.serving.errors import MalformedError
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.responses import Answer, ContributionsAnswer, EmbeddingAnswer, Fault, OutOfDistribution
from oceanpath.serving.slide_engine import AnyEngine, SlidePrediction
from oceanpath.serving.slide_run import Similarity
from oceanpath.serving.value_responses import ValueAnswer

AnyAnswer = Answer | ValueAnswer | EmbeddingAnswer


class BatchAnswer(TypedDict):
    """The answer for one slide of a batch."""

    slide_id: str | None
    status: Annotated[int, Parameter(description="The HTTP status that a request of this slide alone would get.")]
    answer: NotRequired[Answer | ValueAnswer | EmbeddingAnswer]
    error: NotRequired[Fault]


@dataclass(frozen=True)
class Options:
    """What a client asks for, and what it states about the features."""

    attention: bool = False
    members: bool = False
    encoder: str = ""
    slide_id: str = ""
    contributions: bool = False


Attention = Annotated[bool, Parameter(description="Add the attention and the coordinates of every patch.")]
Members = Annotated[bool, Parameter(description="Add the prediction of each member of the ensemble.")]
Encoder = Annotated[str, Parameter(description="Encoder of the features, if the file does not state it.")]
Contributions = Annotated[
    bool,
    Parameter(description="Add what every patch contributes to the prediction, if the model is a sum over patches."),
]
SlideId = Annotated[str, Parameter(description="Slide of the features, if the file does not state it.")]


def query_options(
    attention: Attention = False,
    members: Members = False,
    encoder: Encoder = "",
    slide_id: SlideId = "",
    contributions: Contributions = False,
) -> Options:
    """The options in the query of a request for one slide."""
    return Options(attention, members, encoder, slide_id, contributions)


def batch_options(attention: Attention = False, members: Members = False, encoder: Encoder = "") -> Options:
    """The options in the query of a request for several slides."""
    return Options(attention, members, encoder)


def describe_answer(
    engine: AnyEngine, slide: PredictionRequest, prediction: SlidePrediction, options: Options
) -> AnyAnswer:
    """The response for one slide.

    Raises: MalformedError: the members of a model without members were requested.
    """
    if options.members and not engine.has_members:
        raise MalformedError("a pretrained aggregator has no members", do="Leave out members=1.")
    answer = {
        **engine.describe(prediction),
        "n_patches": prediction.n_patches,
        "n_used": prediction.n_used,
        "slide_id": slide.provenance.slide_id or None,
        "in_training": prediction.in_training,
        "out_of_distribution": _describe_similarity(prediction.similarity),
        "notes": [*slide.notes, *prediction.notes],
        "model": {"name": engine.facts.name, "digest": prediction.model_digest},
        "notice": NOTICE,
    }
    if options.attention:
        coords = None if slide.coords is None else slide.coords.round().astype(int).tolist()
        answer |= {"attention": prediction.attention.tolist(), "coords": coords}
        answer["patch_px_level0"] = slide.provenance.patch_px_level0
    if options.members:
        answer["members"] = engine.describe_members(prediction)
    if options.contributions:
        answer["contributions"] = _describe_contributions(engine, prediction)
    return cast("AnyAnswer", answer)


def _describe_contributions(engine: AnyEngine, prediction: SlidePrediction) -> ContributionsAnswer | None:
    """The mean of the members; None if the model is not a sum over patches."""
    summed = engine.contributions(prediction)
    if summed is None:
        return None
    name, values = summed
    return {"of": name, "total": float(values.sum()), "values": values.astype(np.float32).tolist()}


def _describe_similarity(similarity: Similarity | None) -> OutOfDistribution | None:
    """Whether the slide is unlike the training slides; None if this is not known."""
    if similarity is None:
        return None
    return {"flag": similarity.is_ood, "score": similarity.ood_score, "limit": similarity.ood_limit}
