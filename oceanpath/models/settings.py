"""The `[model]` table: one settings class an architecture. No torch."""

from typing import Literal

from pydantic import Field

from oceanpath.settings import Settings


class ModelSettings(Settings):
    """What every architecture has: its name in the registry."""

    name: str


class PatchModelSettings(ModelSettings):
    """Architectures that begin with one `PatchMLP`: norm → dropout → Linear → ReLU → dropout."""

    input_norm: Literal["none", "layer"] = "layer"
    """What each patch feature passes first: nothing, or a LayerNorm."""
    input_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of feature dimensions that are dropped before the first layer."""
    hidden: int = Field(256, ge=1)
    """Width of a patch after the first layer, and of the slide embedding."""
    dropout: float = Field(0.25, ge=0.0, lt=1.0)
    """Share of hidden units that are dropped while training."""


class ABMILSettings(PatchModelSettings):
    """Gated attention pooling (Ilse, Tomczak and Welling 2018)."""

    name: Literal["abmil"] = "abmil"
    attention: int = Field(128, ge=1)
    """Width of the two gate branches."""


class StaticSettings(PatchModelSettings):
    """Mean or maximum over the patches: a baseline without attention."""

    name: Literal["static"] = "static"
    pool: Literal["mean", "max"] = "mean"
