"""The contents of bundle.json, with the meaning of each key."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

FORMAT: Literal[2] = 2
ONNX = "model.onnx"
NOTICE = "For research use only. Not a medical device; not for diagnosis or treatment."
Coords = Literal["required", "optional", "unused"]


class Facts(BaseModel):
    """Base of everything in bundle.json: unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    left_out_if_empty: ClassVar[tuple[str, ...]] = ()
    """Keys that the file contains only if they have a value: bundles from before a key existed keep their seal."""

    @model_serializer(mode="wrap")
    def _without_empty_parts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        return {key: value for key, value in dumped.items() if key not in self.left_out_if_empty or value}


class Capping(Facts):
    """Sampling of patches from longer bags: seeded by slide id, as for the evaluation."""

    max_patches: int = Field(ge=1)
    strategy: Literal["spatial_stratified", "random"]
    grid: int = Field(ge=1)
    """Cells per side of the grid of `spatial_stratified`."""
    seed: int
    golden_rows: list[int]
    """The rows that `oceanpath.bags.cap.golden_rows` selects with this strategy, grid and seed."""


class PatientBagFacts(Facts):
    """How the slides of a patient form one bag; see `oceanpath.artifacts.patient_bags`."""

    rule: str = (
        "The bag of a patient has the patches of all slides of the patient, in the order of the slide ids; a cap "
        "applies to each slide. The slides are placed next to each other: the first keeps its coordinates; every other "
        "slide is moved so that its smallest y is that of the first, and its smallest x is gap_steps steps above the "
        "largest x of the slides before. A step is the largest, over the slides, of the most common distance of "
        "adjacent columns or rows; unknown_step_px if no slide has two columns or rows."
    )
    gap_steps: int
    unknown_step_px: int


class Contract(Facts):
    """Requirements on the features. None or an empty text: not recorded."""

    left_out_if_empty = ("slide_level", "patient_bags")
    encoder: str
    feature_dim: int = Field(ge=1)
    dtype: Literal["float16", "bfloat16", "float32"] = "float32"
    """The precision of the features in training and evaluation; others are rounded to it."""
    coords: Coords = "unused"
    """Coordinates of the patches: read by the model, only by the cap (for longer bags), or by neither."""
    cap: Capping | None = None
    patch_px: int | None = None
    """Side of a patch at `target_mpp`, pixels."""
    target_mpp: float | None = None
    """Micrometres per pixel at which patches were encoded."""
    stride_px: int | None = None
    """Distance of neighbouring patches at `target_mpp`, pixels."""
    patch_px_level0: tuple[float, float] | None = None
    """Smallest and largest side of a patch in level-0 pixels among the training slides."""
    encoder_revision: str = ""
    weights_sha256: str = ""
    extraction: dict[str, Any] | None = None
    """Settings with which `oceanpath extract` computed the features; None if another program did."""
    given: tuple[str, ...] = ()
    """Input files of the extraction that a new slide needs too: tissue, coords, weights."""
    slide_level: bool = False
    """Whether the features are one embedding per slide (`data.level = "slide"`), so that bags have one row. Not in the
    file if they are not."""

    patient_bags: PatientBagFacts | None = None
    """If a bag is a patient (`data.bag = "patient"`), how the slides of a patient form it. None is not in the file."""

    @property
    def bag_cap(self) -> Capping | None:
        """The cap that applies to a bag as it is predicted; in bags of patients, slides are capped before."""
        return self.cap if self.patient_bags is None else None

    @property
    def level(self) -> str:
        """The level at which feature files are read; see `oceanpath.artifacts.features.layouts`."""
        return "slide" if self.slide_level else "patch"


class MemberFacts(Facts):
    """The model of one fold. Its temperature and threshold are determined on its inner validation rows only."""

    fold: int
    n_val: int
    temperature: float = Field(gt=0)
    reason: str = ""
    """Why the temperature is 1 if it could not be fitted."""
    raw_threshold: float | None = None
    """Threshold on the probability of the last class, before temperature scaling."""
    threshold: float | None = None
    """The same threshold after temperature scaling."""


class Calibration(Facts):
    """How the served probabilities are computed from logits."""

    method: Literal["temperature", "none"]
    served: str
    reported: str


class ThresholdFacts(Facts):
    """The threshold on the ensemble's probability of `positive`; null with a reason if there is none."""

    value: float | None
    positive: str | None
    reason: str


class ParityCase(Facts):
    """Largest absolute difference from eager PyTorch over all outputs, for one format and shape."""

    format: Literal["onnx", "torchscript"]
    batch: int
    patches: int
    difference: float


class StoredParity(Facts):
    """Comparison of stored test predictions with those of the exported files."""

    rows: int
    """Number of slides that were predicted again, each by the member of its test fold."""
    total: int
    """Number of stored test predictions; 0 for a model that was trained after the evaluation: `rows` slides of the
    cohort are then predicted by PyTorch too, and compared with that."""
    differences: dict[str, float]
    """Format → largest absolute difference of a probability."""
    elsewhere: int = 0
    """Number of predictions that PyTorch on this CPU does not reproduce within the tolerance, because they were
    computed on another device. For these the exported files are compared with PyTorch on this CPU."""
    elsewhere_difference: float = 0.0
    """Largest difference between PyTorch on this CPU and these predictions."""


class Parity(Facts):
    """Results of the comparisons before the bundle was published."""

    left_out_if_empty = ("not_made",)
    tolerance: float
    worst: float
    """Largest difference of the exported files from eager PyTorch over `cases`."""
    cases: list[ParityCase]
    stored: StoredParity
    not_made: dict[str, str] = Field(default_factory=dict)
    """Requested format → why there is no file in it. Empty, and not in the file, if there are all."""


class Golden(Facts):
    """A known result: the probabilities of `golden_bag(patches, feature_dim)`, compared whenever the bundle is loaded.

    If coordinates are required, they are `golden_coords(patches)`.
    """

    patches: int
    probabilities: list[float]


class CohortFacts(Facts):
    """Numbers of slides and patients of the training and inner validation sets."""

    slides: int
    patients: int
    slides_per_class: dict[str, int]
    patches_median: int
    patches_max: int


class EstimateFacts(Facts):
    """One metric of the evaluation with its interval; null with a reason if it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str = ""


class Performance(Facts):
    """Out-of-fold estimates; `meaning` states what they estimate."""

    left_out_if_empty = ("decisions",)
    meaning: str
    selected: bool
    slide: dict[str, EstimateFacts]
    patient: dict[str, EstimateFacts]
    floor_auroc: dict[str, EstimateFacts]
    decisions: dict[str, EstimateFacts] = Field(default_factory=dict)
    """Sensitivity and specificity of test slides, each at the threshold of its member. Empty, and not in the file,
    without a threshold."""


class FinalFacts(Facts):
    """The single model of a bundle, if it does not have the models of all folds (`train.final`)."""

    choice: Literal["refit", "best_fold"]
    """One model of all patients, which was not evaluated itself, or the one with the best validation score."""
    description: str


class ExternalFacts(Facts):
    """Performance of the ensemble in the bundle on an external cohort; decisions are at its threshold."""

    name: str
    slides: int
    patients: int
    slides_per_class: dict[str, int]
    slide: dict[str, EstimateFacts]
    patient: dict[str, EstimateFacts]


class SimilarityFacts(Facts):
    """The flag of slides unlike the training slides: a distance of the mean patch feature, and its limit.

    `oceanpath.artifacts.bundle.feature_statistics` defines the distance.
    """

    slides: int
    """Number of training slides."""
    shrinkage: float | None = None
    """Weight of the identity in the covariance."""
    quantile: float | None = None
    """Quantile of the distances of training slides, each by statistics of other patients, that is the limit."""
    limit: float | None = None
    """Slides with a larger distance are flagged; null with a reason if there is no flag."""
    reason: str = ""


class ModelFacts(Facts):
    """What bundle.json contains about every model."""

    left_out_if_empty = ("external", "similarity", "cohort", "final", "pools_blocks")
    format: Literal[2] = FORMAT
    name: str
    notice: str = NOTICE
    model: dict[str, Any]
    contract: Contract
    similarity: SimilarityFacts | None = None
    """None, and not in the file, if the training slides are not known."""
    pools_blocks: bool = False
    """Whether the result for all patches can be computed from blocks of patches, because the model pools by softmax and
    the score of a patch depends on no other patch. False is not in the file."""
    parity: Parity
    opset: int
    files: dict[str, str] = Field(default_factory=dict)
    """File name → sha256, hexadecimal; filled by `seal`."""
    seal: str = ""
    """sha256 of bundle.json as it is with this field empty; filled by `seal`."""

    @property
    def digest(self) -> str:
        """sha256 of model.onnx: the identity of the model."""
        return self.files[ONNX]


class BundleFacts(ModelFacts):
    """The contents of bundle.json of a classifier."""

    classes: list[str] = Field(min_length=2)
    members: list[MemberFacts] = Field(min_length=1)
    calibration: Calibration
    threshold: ThresholdFacts
    performance: Performance
    external: list[ExternalFacts] = Field(default_factory=list)
    """Empty, and not in the file, if there is no external cohort."""
    cohort: CohortFacts | None = None
    """None, and not in the file, if the model was exported from a checkpoint alone."""
    final: FinalFacts | None = None
    """None, and not in the file, if the bundle has the models of all folds."""
    golden: Golden


class GoldenEmbedding(Facts):
    """A known result: the embedding of `golden_bag(patches, feature_dim)`; coordinates as for `Golden`."""

    patches: int
    embedding: list[float]


class PretrainingFacts(Facts):
    """How the aggregator was pretrained."""

    method: dict[str, Any]
    step: int
    """Optimiser step of the selected weights."""
    selection: str
    """How this step was selected."""
    slides: int
    patients: int
    monitors: dict[str, float | None]
    """Monitors of validation views at this step."""
    rankme_limit: int
    """Largest possible RankMe of the monitored slides."""


class EmbeddingFacts(ModelFacts):
    """The contents of bundle.json of a pretrained aggregator, whose answer is the embedding of the slide."""

    output: Literal["embedding"] = "embedding"
    embed_dim: int = Field(ge=1)
    pretraining: PretrainingFacts
    golden: GoldenEmbedding
