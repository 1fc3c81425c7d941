"""Responses about a model that predicts values.

Annotations in this module are not postponed, because a postponed `NotRequired` has no effect in a TypedDict.
"""

from typing import Annotated, NotRequired, TypedDict

from litestar.params import Parameter

from oceanpath.serving.responses import (
    Attention,
    Contributions,
    Coords,
    Model,
    Notes,
    Notice,
    Patches,
    Side,
    SlideId,
    Unlike,
    UsedPatches,
)


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
    contributions: NotRequired[Contributions]
    members: NotRequired[Annotated[list[MemberValues], Parameter(description="Values of each member.")]]
