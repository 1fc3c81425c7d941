"""Settings of the table [export]."""

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, field_validator

from oceanpath.settings import Settings, shared
from oceanpath.tasks.registry import CLASSIFICATION

Patches = Annotated[int, Field(ge=1, le=100_000)]
Bags = Annotated[int, Field(ge=1, le=64)]


class ExportSettings(Settings):
    """The exported model, verified against PyTorch: all folds as one ensemble or, without `[train]`, the aggregator."""

    title: str = Field("", max_length=120)
    """Name of the model in its model card; default: architecture and encoder."""
    formats: tuple[Literal["onnx", "torchscript"], ...] = ("onnx", "torchscript")
    """File formats to export. They must include onnx, which OceanPath serves."""
    opset: int = Field(20, ge=18, le=23)
    """Version of the ONNX operator set."""
    calibrate: bool = True
    """Whether to divide each member's logits by a temperature fitted on its inner validation set."""
    parity_patches: tuple[Patches, ...] = Field((1, 2, 17, 4096), min_length=1)
    """Bag sizes at which every exported file is compared with PyTorch."""
    parity_batches: tuple[Bags, ...] = Field((1, 3), min_length=1)
    """Batch sizes at which it is compared."""
    tolerance: float = Field(1e-5, gt=0, le=1e-2)
    """Maximum absolute difference of probabilities, attention weights and logits; above it nothing is exported."""
    parity_slides: int = Field(100, ge=50)
    """Number of stored test predictions that are computed again from every exported file, if there are more."""
    max_instances: int | None = shared("mmap.max_instances", None)
    cap_strategy: str = shared("mmap.cap_strategy", "spatial_stratified")
    cap_grid: int = shared("mmap.cap_grid", 32)
    extract: SerializeAsAny[Settings] | None = shared("extract", None)
    """How the features were extracted, if by OceanPath."""
    task: str = shared("data.task", CLASSIFICATION, is_added=True)
    level: str = shared("data.level", "patch", is_added=True)
    final: str = shared("train.final", "ensemble", is_added=True)
    rows: str = shared("pretrain.rows", "manifest", is_runtime=True)
    resamples: int = shared("eval.resamples", 2000, is_runtime=True)
    """For external cohorts; part of the identity of their results."""
    confidence: float = shared("eval.confidence", 0.95, is_runtime=True)
    patient_aggregation: str = shared("eval.patient_aggregation", "mean", is_added=True)
    seed: int = shared("seed", 42)

    @field_validator("formats")
    @classmethod
    def _onnx_is_served(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        if "onnx" not in formats:
            raise ValueError('formats must include "onnx", which the server runs')
        return formats
