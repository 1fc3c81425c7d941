"""The `[pretraining]` table."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SerializeAsAny

from oceanpath.models.registry import parse_model
from oceanpath.models.settings import ABMILSettings, ModelSettings
from oceanpath.settings import Settings, shared


def _model(value: Any) -> Any:
    return parse_model(value) if isinstance(value, dict) else value


class PretrainingSettings(Settings):
    """Self-supervised training of the aggregator on two views of each slide."""

    epochs: int = Field(20, ge=1)
    """Number of epochs."""
    batch_size: int = Field(8, ge=2)
    """Slides per batch; each is in it twice."""
    max_patches: int = Field(8, ge=1)
    """Patches per view."""
    model: Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_model)] = shared("model", ABMILSettings())
    seed: int = shared("seed", 42, ge=0)
