"""What the server answers, as the JSON schema describes it.

Annotations are evaluated here: in postponed ones a TypedDict does not see `NotRequired`.
"""

from typing import Annotated, Any, NotRequired, TypedDict

from litestar.params import Parameter

from oceanpath.artifacts.bundle.folder import NOTICE, BundleFacts
from oceanpath.serving.engine import Prediction
from oceanpath.serving.prediction_request import PredictionRequest


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


class Member(TypedDict):
    """What one member of the ensemble says alone, before its temperature."""

    fold: Annotated[int, _is("The fold whose patients this member did not see.")]
    probabilities: dict[str, float]


class Answer(TypedDict):
    """The answer for one slide."""

    predicted: Annotated[str, _is("The class with the largest probability.")]
    probabilities: Annotated[dict[str, float], _is("Probability of each class; they sum to 1.")]
    decision: Annotated[str | None, _is("The class at the model's threshold; null where it has none.")]
    threshold: Annotated[float | None, _is("The threshold on the probability of the positive class; null without one.")]
    n_patches: Annotated[int, _is("Patches of the slide.")]
    n_used: Annotated[int, _is("Patches that the model used: fewer where it has a cap.")]
    slide_id: Annotated[str | None, _is("The slide id that chose the patches within a cap; null where none was sent.")]
    in_training: Annotated[bool, _is("Whether the slide was part of the training cohort.")]
    notes: Annotated[list[str], _is("What could not be compared with the training data, and what was left out.")]
    model: Annotated[ServedModel, _is("Name and digest of the model that answered.")]
    notice: Annotated[str, _is("What the model may be used for.")]
    attention: NotRequired[Annotated[list[float], _is("Weight of every patch, in the order sent; they sum to 1.")]]
    coords: NotRequired[
        Annotated[list[list[int]] | None, _is("Top left corner of every patch in level-0 pixels; null without.")]
    ]
    members: NotRequired[Annotated[list[Member], _is("What each member of the ensemble says alone.")]]


class Fault(TypedDict):
    """What was wrong with the request; texts are left out where there is nothing to say."""

    status: Annotated[int, _is("The HTTP status.")]
    code: Annotated[str, _is("The kind of fault, for programs.")]
    message: Annotated[str, _is("All of it in one sentence.")]
    what: NotRequired[Annotated[str, _is("What is wrong.")]]
    expected: NotRequired[Annotated[str, _is("What is accepted.")]]
    got: NotRequired[Annotated[str, _is("What arrived.")]]
    do: NotRequired[Annotated[str, _is("What to do about it.")]]


class Problem(TypedDict):
    """An error."""

    error: Fault


def describe(
    facts: BundleFacts, question: PredictionRequest, found: Prediction, *, attention: bool, members: bool
) -> Answer:
    """The answer to `question`, with the weights of its patches and the members' answers where these are asked for."""
    answer: Answer = {
        "predicted": found.predicted,
        "probabilities": dict(zip(found.classes, found.probabilities.tolist(), strict=True)),
        "decision": found.decision,
        "threshold": facts.threshold.value,
        "n_patches": found.n_patches,
        "n_used": found.n_used,
        "slide_id": question.about.slide_id or None,
        "in_training": found.in_training,
        "notes": [*question.notes, *found.notes],
        "model": {"name": facts.name, "digest": found.model_digest},
        "notice": NOTICE,
    }
    if attention:
        answer["attention"] = found.attention.tolist()
        answer["coords"] = None if question.coords is None else question.coords.round().astype(int).tolist()
    if members:
        named = zip(facts.members, found.members.tolist(), strict=True)
        answer["members"] = [
            {"fold": member.fold, "probabilities": dict(zip(found.classes, said, strict=True))}
            for member, said in named
        ]
    return answer
