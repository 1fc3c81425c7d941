"""The contents of bundle.json, with the meaning of each key."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Literal[2] = 2
ONNX = "model.onnx"
NOTICE = "For research use only. Not a medical device; not for diagnosis or treatment."
Coords = Literal["required", "optional", "unused"]


class Facts(BaseModel):
    """Base of everything in bundle.json: unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


class Capping(Facts):
    """Which patches of a longer bag the model sees; drawn by slide id, as they were for the evaluation."""

    max_patches: int = Field(ge=1)
    strategy: Literal["spatial_stratified", "random"]
    grid: int = Field(ge=1)
    """Cells per side of the grid of `spatial_stratified`."""
    seed: int
    golden_rows: list[int]
    """The rows that `oceanpath.bags.cap.golden_rows` draws with this strategy, grid and seed."""


class Contract(Facts):
    """Requirements on the features. None or an empty text means that it was not recorded."""

    encoder: str
    feature_dim: int = Field(ge=1)
    dtype: Literal["float16", "bfloat16", "float32"] = "float32"
    """The precision of the features in training and evaluation; others are rounded to it."""
    coords: Coords = "unused"
    """Coordinates of the patches: the model reads them, only the cap does (for longer bags), or nothing does."""
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
    """Settings of `oceanpath extract` that made the features; None if they have another origin."""
    given: tuple[str, ...] = ()
    """What was given to the extraction as files, which a new slide needs too: tissue, coords, weights."""


class MemberFacts(Facts):
    """One fold's model. Its temperature and threshold come from its inner validation rows alone."""

    fold: int
    n_val: int
    temperature: float = Field(gt=0)
    reason: str = ""
    """Why the temperature is 1 if it could not be fitted."""
    raw_threshold: float | None = None
    """On the last class's probability before the temperature."""
    threshold: float | None = None
    """The same threshold on the probability after the temperature."""


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
    """Largest absolute difference to eager torch over all outputs, for one format and shape."""

    format: Literal["onnx", "torchscript"]
    batch: int
    patches: int
    difference: float


class StoredParity(Facts):
    """Test predictions that training stored, computed again from the exported files."""

    rows: int
    """Slides that were computed again, each by the member that tested it."""
    total: int
    """Stored test predictions."""
    differences: dict[str, float]
    """Format → largest absolute difference of a probability."""
    elsewhere: int = 0
    """Rows that the torch model on this CPU does not reproduce within the tolerance: they were computed on another
    device. The exported files equal the torch model on this CPU for these rows."""
    elsewhere_difference: float = 0.0
    """Largest difference between the torch model on this CPU and those rows."""


class Parity(Facts):
    """The checks that ran before the bundle was written."""

    tolerance: float
    worst: float
    """Largest difference of the exported files to eager torch, over `cases`."""
    cases: list[ParityCase]
    stored: StoredParity


class Golden(Facts):
    """A known result: the probabilities of `golden_bag(patches, feature_dim)`, tested wherever the bundle is loaded.

    Where coordinates are required, they are `golden_coords(patches)`.
    """

    patches: int
    probabilities: list[float]


class CohortFacts(Facts):
    """Numbers of slides and patients of the training cohort."""

    slides: int
    patients: int
    slides_per_class: dict[str, int]
    patches_median: int
    patches_max: int


class EstimateFacts(Facts):
    """One number of the evaluation with its interval; null with a reason when undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str = ""


class Performance(Facts):
    """Out-of-fold estimates. `meaning` states what they estimate."""

    meaning: str
    selected: bool
    slide: dict[str, EstimateFacts]
    patient: dict[str, EstimateFacts]
    floor_auroc: dict[str, EstimateFacts]


class BundleFacts(Facts):
    """The contents of bundle.json."""

    format: Literal[2] = FORMAT
    name: str
    notice: str = NOTICE
    model: dict[str, Any]
    classes: list[str] = Field(min_length=2)
    contract: Contract
    members: list[MemberFacts] = Field(min_length=1)
    calibration: Calibration
    threshold: ThresholdFacts
    performance: Performance
    cohort: CohortFacts
    parity: Parity
    golden: Golden
    opset: int
    files: dict[str, str] = Field(default_factory=dict)
    """File name → sha256, hexadecimal; filled by `seal`."""
    seal: str = ""
    """sha256 of bundle.json as it is with this field empty; filled by `seal`."""

    @property
    def digest(self) -> str:
        """sha256 of model.onnx: the identity of the model."""
        return self.files[ONNX]
