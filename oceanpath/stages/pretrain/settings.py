"""The `[pretrain]` table."""

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from oceanpath.artifacts.cohort.patient_rule import PatientRule
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.batching.base import Batching
from oceanpath.bags.batching.registry import SelectedViewBatching, parse_view_batching
from oceanpath.models.registry import parse_model
from oceanpath.models.settings import ABMILSettings, ModelSettings
from oceanpath.settings import Settings, added, outside, runtime, shared
from oceanpath.ssl.methods.registry import SelectedMethod
from oceanpath.ssl.methods.settings import VICRegSettings


def _model(value: Any) -> Any:
    return parse_model(value) if isinstance(value, dict) else value


class CohortKeys(NamedTuple):
    """How the patients and labels of slides are read."""

    table: str
    """Table of the experiment that has these keys: data or pretrain."""
    labels: Path | None
    slide_id: str
    patient_id: str
    label: str
    patient_rule: str
    one_slide_per_patient: bool = False


class PretrainSettings(Settings):
    """Self-supervised training of the aggregator, from which `train` can start."""

    method: SelectedMethod = Field(default_factory=VICRegSettings)
    """Method: `vicreg` (default), `simclr`, `byol`, `dino`, `jepa`, `lejepa`, `visreg` or `supervised` (by the labels
    of the cohort). A method with settings is a table `[pretrain.method]` with `name` and these keys."""
    rows: Literal["manifest", "fold_train"] = "manifest"
    """manifest: all slides of the store, for use with another cohort; fold_train: once per fold, on its training and
    validation patients, for use in `train` of the same experiment."""
    features: Path | None = outside()
    """Folder of patch features of another cohort on which to pretrain; it gets a store of its own, by the other keys of
    `[mmap]`. Default: the store of this experiment."""
    manifest: Path | None = outside()
    """Pretrain only on the slides of this table, of `features`: as `mmap.manifest`."""
    labels: Path | None = outside()
    """Label table of the slides of `features`."""
    slide_id: str = ""
    """Column of `labels` with slide ids; default: `data.slide_id`."""
    patient_id: str = ""
    """Column of `labels` with patient ids; default: `data.patient_id`."""
    label: str = ""
    """Column of `labels` with the labels that `supervised` learns; default: `data.label`."""
    patient_rule: PatientRule = ""
    """How the patients of `features` are read from slide ids, instead of `labels`: as `data.patient_rule`."""
    exclude: tuple[Path, ...] = outside(default=(), published="split/")
    """Experiments of the workspace: every patient whom one of them tests is left out."""
    val_fraction: float = Field(0.1, gt=0, lt=1)
    """Fraction of the patients whose slides validate; of manifest."""
    lr: float = Field(5e-4, gt=0.0)
    """Peak learning rate of AdamW."""
    weight_decay: float = Field(1e-2, ge=0.0)
    """Weight decay of AdamW for matrices; biases and normalisation weights have none."""
    epochs: int = Field(100, ge=1)
    """Number of epochs, unless `max_steps` is set."""
    max_steps: int | None = Field(None, ge=1)
    """Number of optimiser steps instead of `epochs`."""
    warmup: float = Field(0.1, ge=0.0, le=1.0)
    """Fraction of the steps in which the learning rate rises, followed by cosine decay to zero."""
    batch_size: int = Field(64, ge=1)
    """Bags per batch."""
    accumulate: int = Field(1, ge=1)
    """Batches per optimiser step."""
    devices: int = added(1, ge=1)
    """Number of GPUs of this machine, or of processes on its CPU, that share the bags of each batch. It is part of the
    result: another number changes the last bits and the draws of dropout."""
    batching: SelectedViewBatching | None = None
    """Batching strategy, which also limits the patches of a view; default: `multi_crop` for dino, lejepa and visreg,
    `token_budget` for jepa, `subsample_fixed_n` for the others. A strategy with settings is a table
    `[pretrain.batching]` with `strategy` and these keys."""
    augment: AugmentSettings = Field(default_factory=AugmentSettings)
    """Augmentations of the views."""
    disjoint_views: bool = added(False)
    """Whether the views of a slide have no patch in common: its patches are divided between them at random first. The
    views then share the composition and the order of the tissue, not single patches. The blocks of jepa have none in
    common in any case."""
    clip: float = Field(1.0, gt=0.0)
    """Maximum norm of the gradient."""
    precision: Literal["32", "bf16"] = "32"
    """Arithmetic of training: float32, or bfloat16 autocast. Evaluations use float32."""
    threads: int = Field(1, ge=1)
    """CPU threads of the computation. They are part of the result: another number changes its last bits."""
    skip_limit: int = Field(10, ge=1)
    """Number of consecutive steps without finite loss and gradient that ends the training with an error."""
    monitor_every: int = Field(50, ge=1)
    """Optimiser steps between two evaluations on validation views. Collapse is checked at least every 50 steps."""
    monitor_slides: int = Field(512, ge=2)
    """Maximum number of validation slides for the monitors."""
    on_collapse: Literal["stop", "warn"] = "stop"
    """What happens when embeddings collapse: the stage ends with an error, or training continues with a warning."""
    checkpoint_every: int = runtime(50, ge=1)
    """Optimiser steps between two checkpoints from which an interrupted training is resumed."""
    model: Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_model)] = shared("model", ABMILSettings())
    data_features: Path | None = outside("data.features")
    features_key: str = shared("data.features_key", "", is_added=True)
    level: str = shared("data.level", "patch", is_runtime=True)
    data_labels: Path | None = outside("data.labels")
    data_slide_id: str = shared("data.slide_id", "slide_id")
    data_patient_id: str = shared("data.patient_id", "patient_id")
    data_patient_rule: PatientRule = shared("data.patient_rule", "")
    data_label: str = shared("data.label", "label")
    one_slide_per_patient: bool = shared("data.one_slide_per_patient", False)
    match_ids: str = shared("data.match_ids", "")
    encoding: str = shared("data.encoding", "")
    sheet: str = shared("data.sheet", "")
    allow_missing: bool = shared("data.allow_missing", False)
    seed: int = shared("seed", 42, ge=0)
    device: str = shared("runtime.device", "auto", is_runtime=True)
    placement: str = shared("runtime.placement", "auto", is_runtime=True)
    workers: int = shared("runtime.workers", 2, is_runtime=True)

    @model_validator(mode="after")
    def _describes_other_features(self) -> Self:
        own = ("manifest", "labels", "slide_id", "patient_id", "label", "patient_rule")
        if self.features is None and (without := [name for name in own if getattr(self, name)]):
            given = ", ".join(f"data.{name}" for name in without if name != "manifest")
            instead = f"; for the cohort of this experiment set {given}" if given else ""
            raise ValueError(f"{', '.join(without)}: only with pretrain.features{instead}")
        if self.features is not None and self.rows == "fold_train":
            raise ValueError('rows = "fold_train" uses the patients of this experiment: remove features')
        return self

    def cohort_keys(self) -> CohortKeys:
        """How the patients and labels of the slides are read: of `features`, or of the cohort of the experiment."""
        of_data = (self.data_slide_id, self.data_patient_id, self.data_label)
        if self.features is None:
            one_each = self.one_slide_per_patient
            return CohortKeys("data", self.data_labels, *of_data, self.data_patient_rule, one_each)
        slide_id, patient_id, label = of_data
        own = (self.slide_id or slide_id, self.patient_id or patient_id, self.label or label)
        return CohortKeys("pretrain", self.labels, *own, self.patient_rule)

    def view_batching(self) -> Batching:
        """The batching strategy: the one that is set, or that of the method."""
        return self.batching or parse_view_batching(dict(self.method.default_batching))
