"""Responses about a model that predicts values.

Annotations in this module are not postponed, because a postponed `NotRequired` has no effect in a TypedDict.
"""

from typing import Annotated, NotRequired, TypedDict

from litestar.params import Parameter

from oceanpath.artifacts.bundle.facts import NOTICE
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.responses import (
    Attention,
    Coords,
    Model,
    Notes,
    Notice,
    Patches,
    Side,
    SlideId,
    Unlike,
    UsedPatches,
    describe_similarity,
    rounded_coords,
)
from oceanpath.serving.value_engine import ValuePrediction


class MemberValues(TypedDict):
    """The values of one member of the ensemble."""

    fold: Annotated[int, Parameter(description="The fold whose patients are not in the training data of this member.")]
    values: dict[str, float]


class Decision(TypedDict):
    """The decision about one value."""

    decision: str
    cutoff: Annotated[float, Parameter(description="The value from which on the decision is made.")]


class ValueAnswer(TypedDict):
    """The prediction for one slide."""

    values: Annotated[
        dict[str, float], Parameter(description="Predicted values; GET /model states meaning and unit of each.")
    ]
    decisions: Annotated[dict[str, Decision], Parameter(description="Decisions about values that have a cut-off.")]
    n_patches: Patches
    n_used: UsedPatches
    slide_id: SlideId
    in_training: Annotated[bool, Parameter(description="Whether the slide was part of the training cohort.")]
    out_of_distribution: Unlike
    notes: Notes
    model: Model
    notice: Notice
    attention: NotRequired[Attention]
    coords: NotRequired[Coords]
    patch_px_level0: NotRequired[Side]
    members: NotRequired[Annotated[list[MemberValues], Parameter(description="Values of each member.")]]


def describe_values(
    facts: ValueFacts, slide: PredictionRequest, prediction: ValuePrediction, *, attention: bool, members: bool
) -> ValueAnswer:
    """The response for a slide, optionally with the attention of its patches and the values of each member."""
    cutoffs = {each.column: each.value for each in facts.decisions if each.value is not None}
    answer: ValueAnswer = {
        "values": prediction.by_column(),
        "decisions": {
            name: {"decision": decision, "cutoff": cutoffs[name]} for name, decision in prediction.decisions.items()
        },
        "n_patches": prediction.n_patches,
        "n_used": prediction.n_used,
        "slide_id": slide.provenance.slide_id or None,
        "in_training": prediction.in_training,
        "out_of_distribution": describe_similarity(prediction.similarity),
        "notes": [*slide.notes, *prediction.notes],
        "model": {"name": facts.name, "digest": prediction.model_digest},
        "notice": NOTICE,
    }
    if attention:
        answer["attention"], answer["coords"] = prediction.attention.tolist(), rounded_coords(slide)
        answer["patch_px_level0"] = slide.provenance.patch_px_level0
    if members:
        pairs = zip(facts.members, prediction.members.tolist(), strict=True)
        answer["members"] = [
            {"fold": member.fold, "values": dict(zip(prediction.columns, values, strict=True))}
            for member, values in pairs
        ]
    return answer
