"""Responses of the server, as in its OpenAPI description.

Annotations in this module are not postponed, because a postponed `NotRequired` has no effect in a TypedDict.
"""

from typing import Annotated, Any, NotRequired, TypedDict

from litestar.params import Parameter

from oceanpath.artifacts.bundle.facts import NOTICE, BundleFacts, EmbeddingFacts
from oceanpath.serving.embedder import SlideEmbedding
from oceanpath.serving.engine import Prediction
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.session import Similarity


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
    """The slides in the configured folder of features."""

    slides: Annotated[list[str], _field("Slide ids, sorted.")]


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


def describe(
    facts: BundleFacts, slide: PredictionRequest, prediction: Prediction, *, attention: bool, members: bool
) -> Answer:
    """The response for a slide, optionally with the attention of its patches and the probabilities of each member."""
    answer: Answer = {
        "predicted": prediction.predicted,
        "probabilities": dict(zip(prediction.classes, prediction.probabilities.tolist(), strict=True)),
        "decision": prediction.decision,
        "threshold": facts.threshold.value,
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
            {"fold": member.fold, "probabilities": dict(zip(prediction.classes, probabilities, strict=True))}
            for member, probabilities in pairs
        ]
    return answer


def describe_embedding(
    facts: EmbeddingFacts, slide: PredictionRequest, embedded: SlideEmbedding, *, attention: bool
) -> EmbeddingAnswer:
    """The response for a slide, optionally with the attention of its patches."""
    answer: EmbeddingAnswer = {
        "embedding": embedded.embedding.tolist(),
        "n_patches": embedded.n_patches,
        "n_used": embedded.n_used,
        "slide_id": slide.provenance.slide_id or None,
        "in_training": embedded.in_training,
        "out_of_distribution": describe_similarity(embedded.similarity),
        "notes": [*slide.notes, *embedded.notes],
        "model": {"name": facts.name, "digest": embedded.model_digest},
        "notice": NOTICE,
    }
    if attention:
        answer["attention"], answer["coords"] = embedded.attention.tolist(), rounded_coords(slide)
        answer["patch_px_level0"] = slide.provenance.patch_px_level0
    return answer


def rounded_coords(slide: PredictionRequest) -> list[list[int]] | None:
    """The coordinates of a request as whole pixels; None if it has none."""
    return None if slide.coords is None else slide.coords.round().astype(int).tolist()


def describe_similarity(similarity: Similarity | None) -> OutOfDistribution | None:
    """The part of a response about slides unlike the training slides; None if this is not known."""
    if similarity is None:
        return None
    return {"flag": similarity.is_ood, "score": similarity.ood_score, "limit": similarity.ood_limit}
