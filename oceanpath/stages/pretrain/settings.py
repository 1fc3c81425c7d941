"""The `[pretrain]` table."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.batching.base import Batching
from oceanpath.bags.batching.registry import SelectedViewBatching, parse_view_batching
from oceanpath.models.registry import parse_model
from oceanpath.models.settings import ABMILSettings, ModelSettings
from oceanpath.settings import Settings, outside, runtime, shared
from oceanpath.ssl.methods.registry import SelectedMethod
from oceanpath.ssl.methods.settings import VICRegSettings


def _model(value: Any) -> Any:
    return parse_model(value) if isinstance(value, dict) else value


class PretrainSettings(Settings):
    """Self-supervised training of the aggregator, from which `train` can start."""

    method: SelectedMethod = VICRegSettings()
    """Method: `vicreg`, `simclr`, `byol`, `dino`, `jepa`, `lejepa`, `visreg` or `supervised` (by the labels of the
    cohort). A method with settings is a table `[pretrain.method]` with `name` and these keys."""
    rows: Literal["manifest", "fold_train"] = "manifest"
    """manifest: all slides of the store, for use with another cohort; fold_train: once per fold, on its training and
    validation patients, for use in `train` of the same experiment."""
    patient_rule: Literal["table", "tcga_barcode", "slide"] = "table"
    """Patients of the slides: from the label table, the first 12 characters of TCGA barcodes, or every slide of its own
    patient."""
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
    batching: SelectedViewBatching | None = None
    """Batching strategy, which also limits the patches of a view; default: `multi_crop` for dino, lejepa and visreg,
    `token_budget` for jepa, `subsample_fixed_n` for the others. A strategy with settings is a table
    `[pretrain.batching]` with `strategy` and these keys."""
    augment: AugmentSettings = AugmentSettings()
    """Augmentations of the views."""
    clip: float = Field(1.0, gt=0.0)
    """Maximum norm of the gradient."""
    precision: Literal["32", "bf16"] = "32"
    """Arithmetic of training: float32, or bfloat16 autocast. Evaluations use float32."""
    threads: int = Field(1, ge=1)
    """CPU threads of the computation. They are part of the result: another number changes its last bits."""
    skip_limit: int = Field(10, ge=1)
    """Number of consecutive steps without finite loss and gradient that ends the training with an error."""
    monitor_every: int = Field(50, ge=1)
    """Optimiser steps between two evaluations on validation views."""
    monitor_slides: int = Field(512, ge=2)
    """Maximum number of validation slides for the monitors."""
    on_collapse: Literal["stop", "warn"] = "stop"
    """What happens when embeddings collapse: the stage ends with an error, or training continues with a warning."""
    checkpoint_every: int = runtime(50, ge=1)
    """Optimiser steps between two checkpoints from which an interrupted training is resumed."""
    model: Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_model)] = shared("model", ABMILSettings())
    labels: Path | None = outside("data.labels")
    slide_id: str = shared("data.slide_id", "slide_id")
    patient_id: str = shared("data.patient_id", "patient_id")
    one_slide_per_patient: bool = shared("data.one_slide_per_patient", False)
    label: str = shared("data.label", "label")
    match_ids: str = shared("data.match_ids", "")
    encoding: str = shared("data.encoding", "")
    sheet: str = shared("data.sheet", "")
    allow_missing: bool = shared("data.allow_missing", False)
    seed: int = shared("seed", 42, ge=0)
    device: str = shared("runtime.device", "auto", is_runtime=True)
    placement: str = shared("runtime.placement", "auto", is_runtime=True)
    workers: int = shared("runtime.workers", 2, is_runtime=True)

    def view_batching(self) -> Batching:
        """The batching strategy: the one that is set, or that of the method."""
        return self.batching or parse_view_batching(dict(self.method.default_batching))
