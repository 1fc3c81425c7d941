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
    """Training of one classifier per fold, and selection of its epoch on the inner validation set."""

    patience: int = Field(8, ge=1)
    """Epochs without a better validation score after which training stops."""
    monitor: Literal["val_loss", "val_auroc"] = "val_loss"
    """Validation score that selects the epoch: lowest cross-entropy, or highest AUROC and, among equals, the lowest
    cross-entropy."""
    loss: Literal["ce", "focal"] = "ce"
    """Training loss: cross-entropy or focal loss (Lin et al. 2017)."""
    focal_gamma: float = Field(2.0, ge=0.0)
    """Exponent of the focal loss: how much it discounts slides that are classified correctly."""
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    """Fraction of each label that is spread over all classes; for ce."""
    balance: Literal["none", "loss", "sampling"] = "none"
    """Class imbalance: none, loss weights by inverse frequency, or sampling of classes at equal rates."""
    model: Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_model)] = shared("model", ABMILSettings())
    seed: int = shared("seed", 42, ge=0)
    device: str = shared("runtime.device", "auto", is_runtime=True)
    placement: str = shared("runtime.placement", "auto", is_runtime=True)
