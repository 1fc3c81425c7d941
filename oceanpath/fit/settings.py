"""How a model is fitted, whatever it learns. No torch."""

from typing import Literal

from pydantic import Field

from oceanpath.settings import Settings


class FitSettings(Settings):
    """Optimiser, schedule and batches; a stage that fits inherits these keys."""

    lr: float = Field(2e-4, gt=0.0)
    """Peak learning rate of AdamW."""
    weight_decay: float = Field(1e-2, ge=0.0)
    """Decay of matrices; biases and norms are never decayed."""
    epochs: int = Field(30, ge=1)
    """Passes over the training slides, at most."""
    warmup: float = Field(1.0, ge=0.0)
    """Epochs of linear warm-up; after them the rate falls to zero along a cosine."""
    batch_size: int = Field(4, ge=1)
    """Bags a step. Small cohorts want few: an epoch of twenty slides is then still several steps."""
    max_patches: int | None = Field(None, ge=1)
    """Most patches of a bag in one epoch, drawn anew each epoch; None = all. Validation and test always see all."""
    clip: float = Field(1.0, gt=0.0)
    """Largest norm of a step's gradient."""
    precision: Literal["32", "bf16"] = "32"
    """Arithmetic of training: float32, or bfloat16 autocast. Predictions are always float32."""
    threads: int = Field(1, ge=1)
    """CPU threads of one fit. They are part of the result: another number gives other last bits."""
    skip_limit: int = Field(10, ge=1)
    """So many steps in a row without a finite loss and gradient end the fit."""
