"""Predictions of every kind of model as responses.

Annotations in this module are not postponed, because a postponed `NotRequired` has no effect in a TypedDict.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

from litestar.params import Parameter

from oceanpath.artifacts.bundle.facts import BundleFacts, EmbeddingFacts, ModelFacts
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.serving.embedder import SlideEmbedding
from oceanpath.serving.engine import Prediction
from oceanpath.serving.errors import MalformedError
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.responses import Answer, EmbeddingAnswer, Fault, describe, describe_embedding
from oceanpath.serving.value_engine import ValuePrediction
from oceanpath.serving.value_responses import ValueAnswer, describe_values

AnyAnswer = Answer | ValueAnswer | EmbeddingAnswer
AnyPrediction = Prediction | ValuePrediction | SlideEmbedding


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


Attention = Annotated[bool, Parameter(description="Add the attention and the coordinates of every patch.")]
Members = Annotated[bool, Parameter(description="Add the prediction of each member of the ensemble.")]
Encoder = Annotated[str, Parameter(description="Encoder of the features, if the file does not state it.")]
SlideId = Annotated[str, Parameter(description="Slide of the features, if the file does not state it.")]


def query_options(
    attention: Attention = False, members: Members = False, encoder: Encoder = "", slide_id: SlideId = ""
) -> Options:
    """The options in the query of a request for one slide."""
    return Options(attention, members, encoder, slide_id)


def batch_options(attention: Attention = False, members: Members = False, encoder: Encoder = "") -> Options:
    """The options in the query of a request for several slides."""
    return Options(attention, members, encoder)


def describe_answer(
    facts: ModelFacts, slide: PredictionRequest, prediction: AnyPrediction, options: Options
) -> AnyAnswer:
    """The response for one slide.

    Raises: MalformedError: the members of a pretrained aggregator were requested, which has none.
    """
    attention, members = options.attention, options.members
    if isinstance(prediction, Prediction) and isinstance(facts, BundleFacts):
        return describe(facts, slide, prediction, attention=attention, members=members)
    if isinstance(prediction, ValuePrediction) and isinstance(facts, ValueFacts):
        return describe_values(facts, slide, prediction, attention=attention, members=members)
    assert isinstance(prediction, SlideEmbedding) and isinstance(facts, EmbeddingFacts), "the third kind of models"
    if members:
        raise MalformedError("a pretrained aggregator has no members", do="Leave out members=1.")
    return describe_embedding(facts, slide, prediction, attention=attention)


def describe_for_audit(prediction: AnyPrediction) -> dict[str, Any] | None:
    """The part of a prediction that is recorded; None for embeddings, which describe the features."""
    if isinstance(prediction, Prediction):
        answer = {"predicted": prediction.predicted, "decision": prediction.decision}
        return {**answer, "probabilities": prediction.by_label()}
    if isinstance(prediction, ValuePrediction):
        return {"values": prediction.by_column(), "decisions": prediction.decisions}
    return None
