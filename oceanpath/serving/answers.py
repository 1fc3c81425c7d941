"""What the server answers, as the JSON schema describes it."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from litestar.params import Parameter

from oceanpath.artifacts.bundle import NOTICE, BundleFacts
from oceanpath.serving.engine import Prediction
from oceanpath.serving.question import Question


def _is(description: str) -> Any:
    return Parameter(description=description)


class Health(TypedDict):
    """Whether the server answers, and as which model."""

    status: Annotated[str, _is("Always ok: a server that cannot answer does not listen.")]
    ready: Annotated[bool, _is("Whether the model passed its self-test.")]
    model: Annotated[str, _is("Name of the model.")]
    digest: Annotated[str, _is("Digest of the bundle.")]


class ServedModel(TypedDict):
    """Which model answered."""

    name: str
    digest: str


class Answer(TypedDict):
    """The answer for one slide."""

    predicted: Annotated[str, _is("The class with the largest probability.")]
    probabilities: Annotated[dict[str, float], _is("Probability of each class; they sum to 1.")]
    decision: Annotated[str | None, _is("The class at the model's threshold; null where it has none.")]
    threshold: Annotated[float | None, _is("The threshold on the probability of the positive class; null without one.")]
    n_patches: Annotated[int, _is("Patches of the slide.")]
    model: Annotated[ServedModel, _is("Name and digest of the model that answered.")]
    notice: Annotated[str, _is("What the model may be used for.")]
    attention: NotRequired[Annotated[list[float], _is("Weight of every patch, in the order sent; they sum to 1.")]]
    coords: NotRequired[
        Annotated[list[list[int]] | None, _is("Top left corner of every patch in level-0 pixels; null without.")]
    ]


class Fault(TypedDict):
    """What was wrong with the request; texts are left out where there is nothing to say."""

    status: Annotated[int, _is("The HTTP status.")]
    code: Annotated[str, _is("The kind of fault, for programs.")]
    message: Annotated[str, _is("All of it in one sentence.")]
    what: NotRequired[str]
    expected: NotRequired[str]
    got: NotRequired[str]
    do: NotRequired[Annotated[str, _is("What to do about it.")]]


class Problem(TypedDict):
    """An error."""

    error: Fault


def describe(facts: BundleFacts, question: Question, found: Prediction, attention: bool) -> Answer:
    """The answer to `question`, with the weights of its patches when `attention` is asked for."""
    answer: Answer = {
        "predicted": found.predicted,
        "probabilities": dict(zip(found.classes, found.probabilities.tolist(), strict=True)),
        "decision": found.decision,
        "threshold": facts.threshold.value,
        "n_patches": found.n_patches,
        "model": {"name": facts.name, "digest": found.model_digest},
        "notice": NOTICE,
    }
    if attention:
        answer["attention"] = found.attention.tolist()
        answer["coords"] = None if question.coords is None else question.coords.tolist()
    return answer
