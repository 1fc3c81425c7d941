"""The `[pretrain.method]` table: one settings class per method. No torch."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from oceanpath.settings import Settings, added


class MethodSettings(Settings):
    """Keys of every method."""

    default_batching: ClassVar[Mapping[str, Any]] = {"name": "subsample_fixed_n"}
    """Batching strategy, unless another is set."""
    is_blocks: ClassVar[bool] = False
    """As `ViewRequest.is_blocks`, known without building the method."""
    name: str
    """Method of pretraining."""


class _Projected(MethodSettings):
    hidden: int = Field(2048, ge=1)
    """Width of the hidden layers of the projector."""
    out: int = Field(256, ge=2)
    """Width of the projections that the loss compares."""


class VICRegSettings(_Projected):
    """Two views of a slide have equal projections, whose dimensions vary and do not correlate (Bardes et al. 2022)."""

    name: Literal["vicreg"] = "vicreg"
    invariance_weight: float = Field(25.0, ge=0)
    """Weight of the squared difference of two views."""
    variance_weight: float = Field(25.0, ge=0)
    """Weight of the variance term, the mean of both views as in the authors' code; 50 weights it as in the paper."""
    covariance_weight: float = Field(1.0, ge=0)
    """Weight of the covariance term."""


class SimCLRSettings(_Projected):
    """Two views of a slide are more similar than views of slides of other patients (Chen et al. 2020)."""

    name: Literal["simclr"] = "simclr"
    out: int = Field(128, ge=2)
    temperature: float = Field(0.1, gt=0)
    """Temperature of the softmax over similarities."""


class _WithTeacher(_Projected):
    ema: float = Field(0.996, ge=0, le=1)
    """Momentum of the teacher at the first step; it rises to 1 by a cosine over all optimiser steps."""


class BYOLSettings(_WithTeacher):
    """A predictor maps one view to the projection of the other by a teacher (Grill et al. 2020)."""

    name: Literal["byol"] = "byol"
    hidden: int = Field(4096, ge=1)


class DINOSettings(_WithTeacher):
    """The student assigns each view to the prototypes that the teacher chose for another view (Caron et al. 2021)."""

    default_batching: ClassVar[Mapping[str, Any]] = {"name": "multi_crop"}
    name: Literal["dino"] = "dino"
    prototypes: int = Field(4096, ge=2)
    """Number of prototypes; more than 8192 do not converge on small cohorts."""
    local_views: int = Field(6, ge=0)
    """Number of small views next to the two global ones."""
    student_temperature: float = Field(0.1, gt=0)
    """Temperature of the student's assignments."""
    teacher_temperature: float = Field(0.07, gt=0)
    """Temperature of the teacher's assignments after the warm-up."""
    first_temperature: float = Field(0.04, gt=0)
    """Temperature of the teacher's assignments at the first step."""
    temperature_warmup: float = Field(0.15, ge=0, le=1)
    """Fraction of all steps in which the teacher's temperature rises linearly."""
    centre_momentum: float = Field(0.9, ge=0, le=1)
    """Momentum of the mean that is subtracted from the teacher's scores; updated once per step."""
    frozen_epochs: int = Field(1, ge=0)
    """Number of epochs in which the prototypes do not change."""
    standardised: bool = added(False)
    """Whether the bottleneck of the projector is standardised over the batch, so that what all slides have in common is
    not compared. Assignments then differ where slides are similar, if `frozen_epochs` is as large as `epochs`."""


class JEPASettings(MethodSettings):
    """A predictor maps the rest of a slide and a position to the teacher's embedding of the block there (I-JEPA)."""

    default_batching: ClassVar[Mapping[str, Any]] = {"name": "token_budget", "budget": 32_768}
    is_blocks: ClassVar[bool] = True
    name: Literal["jepa"] = "jepa"
    blocks: int = Field(4, ge=1)
    """Number of target blocks per slide."""
    hidden: int = Field(1024, ge=1)
    """Width of the hidden layers of the predictor."""
    bands: int = Field(4, ge=1)
    """Number of frequencies of the Fourier features of a block's position and extent."""
    beta: float = Field(1.0, gt=0)
    """Difference up to which the smooth L1 distance is quadratic."""
    ema: float = Field(0.996, ge=0, le=1)
    """Momentum of the teacher at the first step; it rises to 1 by a cosine over all optimiser steps."""


class _Distribution(_Projected):
    default_batching: ClassVar[Mapping[str, Any]] = {"name": "multi_crop"}
    out: int = Field(64, ge=2)
    weight: float = Field(0.05, ge=0, lt=1)
    """Weight of the distribution term; the distance of the views to their centroid has the rest."""
    directions: int = Field(256, ge=1)
    """Number of random directions per step."""
    local_views: int = Field(2, ge=0)
    """Number of small views next to the two global ones."""


class LeJEPASettings(_Distribution):
    """Equal projections of all views, whose distribution is a standard normal (SIGReg; Balestriero and LeCun 2025)."""

    name: Literal["lejepa"] = "lejepa"


class VISRegSettings(_Distribution):
    """As LeJEPA, with centre, scale and sorted projections instead of SIGReg (2026)."""

    name: Literal["visreg"] = "visreg"


class SupervisedSettings(MethodSettings):
    """A linear classifier of the cohort's labels, for aggregators that other cohorts start from."""

    name: Literal["supervised"] = "supervised"
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    """Share of the target that is spread over all classes."""
