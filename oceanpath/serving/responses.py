"""Responses of the server, as in its OpenAPI description.

Annotations in this module are not postponed, because a postponed `NotRequired` has no effect in a TypedDict.
"""

from typing import Annotated, Any, NotRequired, TypedDict

from litestar.params import Parameter


def _field(description: str) -> Any:
    return Parameter(description=description)


class Health(TypedDict):
    """State of the server and its model."""

    status: Annotated[str, _field("Always ok: a server that cannot predict does not accept connections.")]
    ready: Annotated[bool, _field("Whether the model passed its self-test.")]
    model: Annotated[str, _field("Name of the first model in its bundle.")]
    digest: Annotated[str, _field("Digest of its model file.")]
    models: Annotated[list[str], _field("Names of all served models.")]


class ListedModel(TypedDict):
    """A served model."""

    name: str
    version: Annotated[str, _field("Begins the seal of the bundle: every changed byte gives another version.")]
    digest: Annotated[str, _field("Digest of the model file.")]


class ServedModel(TypedDict):
    """The model of a prediction."""

    name: str
    digest: str


class Slides(TypedDict):
    """The slides in the configured folders."""

    slides: Annotated[list[str], _field("Ids of the slides with features, sorted.")]
    images: Annotated[list[str], _field("Ids of the slides with pixels, sorted.")]


class SlideImage(TypedDict):
    """The pixels of a slide."""

    slide_id: str
    width: Annotated[int, _field("Width in level-0 pixels.")]
    height: Annotated[int, _field("Height in level-0 pixels.")]
    mpp: Annotated[list[float] | None, _field("Micrometres per level-0 pixel in x and y; null if unknown.")]
    tile_px: Annotated[int, _field("Side of the tiles of the Deep Zoom image in pixels, without overlap.")]
    overlap_px: Annotated[int, _field("Pixels that a tile shares with each neighbour.")]
    min_level: Annotated[int, _field("The first level with tiles.")]
    max_level: Annotated[int, _field("The level of tiles with the full resolution.")]


Patches = Annotated[int, _field("Number of patches of the slide.")]
UsedPatches = Annotated[int, _field("Number of patches that the model used: fewer if it has a cap.")]
SlideId = Annotated[str | None, _field("The slide id, by which patches above a cap are sampled; null if unknown.")]
Notes = Annotated[
    list[str], _field("What could not be compared with the training data, and which patches were not used.")
]
Model = Annotated[ServedModel, _field("Name and digest of the model.")]
Notice = Annotated[str, _field("Permitted use of the model.")]
Attention = Annotated[list[float], _field("Attention of every patch, in the order of the request; sums to 1.")]
Coords = Annotated[
    list[list[int]] | None, _field("Top-left corner of every patch in level-0 pixels; null if not sent.")
]


Side = Annotated[float | None, _field("Side of a patch in level-0 pixels; null if the features do not state it.")]


class ContributionsAnswer(TypedDict):
    """What every patch adds to an output of the model, before temperature scaling; the mean of the members."""

    of: Annotated[str, _field("The output of which the contributions are parts.")]
    total: Annotated[float, _field("Its value: the sum of the contributions.")]
    values: Annotated[list[float], _field("Contribution of every patch, in the order of the request.")]


Contributions = Annotated[
    ContributionsAnswer | None, _field("Contributions of the patches; null if the model is not a sum over patches.")
]


class OutOfDistribution(TypedDict):
    """Whether the slide is unlike the training slides, by the mean of its patch features."""

    flag: Annotated[bool, _field("Whether the score exceeds the limit.")]
    score: Annotated[float, _field("Mahalanobis distance from the training slides.")]
    limit: Annotated[float, _field("99th percentile of the distances of training slides.")]


Unlike = Annotated[
    OutOfDistribution | None, _field("Whether the slide is unlike the training slides; null if it is not known.")
]


class Member(TypedDict):
    """The probabilities of one member of the ensemble, before temperature scaling."""

    fold: Annotated[int, _field("The fold whose patients are not in the training data of this member.")]
    probabilities: dict[str, float]


class Answer(TypedDict):
    """The prediction for one slide."""

    predicted: Annotated[str, _field("The class with the largest probability.")]
    probabilities: Annotated[dict[str, float], _field("Probability of each class; they sum to 1.")]
    decision: Annotated[str | None, _field("The class according to the model's threshold; null if there is none.")]
    threshold: Annotated[
        float | None, _field("The threshold on the probability of the positive class; null if there is none.")
    ]
    n_patches: Patches
    n_used: UsedPatches
    slide_id: SlideId
    in_training: Annotated[bool, _field("Whether the slide was part of the training cohort.")]
    out_of_distribution: Unlike
    notes: Notes
    model: Model
    notice: Notice
    attention: NotRequired[Attention]
    coords: NotRequired[Coords]
    patch_px_level0: NotRequired[Side]
    contributions: NotRequired[Contributions]
    members: NotRequired[Annotated[list[Member], _field("Probabilities of each member of the ensemble.")]]


class EmbeddingAnswer(TypedDict):
    """The embedding of one slide."""

    embedding: Annotated[list[float], _field("Embedding of the slide.")]
    n_patches: Patches
    n_used: UsedPatches
    slide_id: SlideId
    in_training: Annotated[bool, _field("Whether the slide was used for the pretraining.")]
    out_of_distribution: Unlike
    notes: Notes
    model: Model
    notice: Notice
    attention: NotRequired[Attention]
    coords: NotRequired[Coords]
    patch_px_level0: NotRequired[Side]
    contributions: NotRequired[Contributions]


class Fault(TypedDict):
    """Details of an error; optional texts are omitted if empty."""

    status: Annotated[int, _field("The HTTP status.")]
    code: Annotated[str, _field("Machine-readable error code.")]
    message: Annotated[str, _field("The complete error message.")]
    what: NotRequired[Annotated[str, _field("What is wrong.")]]
    expected: NotRequired[Annotated[str, _field("Accepted values.")]]
    got: NotRequired[Annotated[str, _field("Received value.")]]
    do: NotRequired[Annotated[str, _field("Remedy.")]]


class Problem(TypedDict):
    """An error."""

    error: Fault
