"""The `[train]` table."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SerializeAsAny

from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.fit.settings import FitSettings
from oceanpath.models.registry import parse_model
from oceanpath.models.settings import ABMILSettings, ModelSettings
from oceanpath.settings import shared


def _model(value: Any) -> Any:
    return parse_model(value) if isinstance(value, dict) else value


class TrainSettings(ObjectiveSettings, FitSettings):
    """Training of one model per fold, and selection of its epoch on the inner validation set."""

    patience: int = Field(8, ge=1)
    """Number of epochs without a better validation score after which training stops."""
    model: Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_model)] = shared("model", ABMILSettings())
    seed: int = shared("seed", 42, ge=0)
    device: str = shared("runtime.device", "auto", is_runtime=True)
    placement: str = shared("runtime.placement", "auto", is_runtime=True)
