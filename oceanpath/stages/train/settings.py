"""The `[train]` table."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from oceanpath.fit.settings import FitSettings
from oceanpath.models.registry import parse_model
from oceanpath.models.settings import ABMILSettings, ModelSettings
from oceanpath.settings import shared


def _model(value: Any) -> Any:
    return parse_model(value) if isinstance(value, dict) else value


class TrainSettings(FitSettings):
    """How the classifier of each fold is fitted and which of its epochs is kept."""

    patience: int = Field(8, ge=1)
    """Epochs without a better validation score after which the fit stops."""
    monitor: Literal["val_loss", "val_auroc"] = "val_loss"
    """What chooses the epoch: the lowest mean cross-entropy of the val rows, or their highest AUROC and, among epochs
    of equal AUROC, the lowest cross-entropy."""
    loss: Literal["ce", "focal"] = "ce"
    focal_gamma: float = Field(2.0, ge=0.0)
    """How much the focal loss passes over slides that are right already."""
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of a label that is spread over all classes; for ``ce``."""
    balance: Literal["none", "loss", "sampling"] = "none"
    """Unequal classes: leave them, weight their loss by inverse frequency, or draw them equally often."""
    model: Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_model)] = shared("model", ABMILSettings())
    seed: int = shared("seed", 42, ge=0)
    device: str = shared("runtime.device", "auto", is_runtime=True)
    placement: str = shared("runtime.placement", "auto", is_runtime=True)
