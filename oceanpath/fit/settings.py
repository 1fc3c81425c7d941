"""Settings of training that do not depend on the task. No torch."""

from typing import Literal

from pydantic import Field

from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.registry import SelectedBatching
from oceanpath.settings import Settings, added


class FitSettings(Settings):
    """Optimiser, schedule and batches; the keys of every stage that fits a model."""

    lr: float = Field(2e-4, gt=0.0)
    """Peak learning rate of AdamW."""
    weight_decay: float = Field(1e-2, ge=0.0)
    """Weight decay of AdamW for matrices; biases and normalisation weights have none."""
    epochs: int = Field(30, ge=1)
    """Maximum number of epochs."""
    warmup: float = Field(1.0, ge=0.0)
    """Epochs of linear warm-up, followed by cosine decay to zero."""
    batch_size: int = Field(4, ge=1)
    """Bags per step. Choose a small number for a small cohort, so that an epoch has several steps."""
    batching: SelectedBatching = added(Fixed())
    """Batching strategy: `fixed`, `batch_size` bags in random order; `length_buckets`, bags of similar length in
    `buckets` groups; `token_budget`, at most `budget` patches and `max_bags` bags (`padded`: with padding). A strategy
    with settings is a table `[train.batching]` with `name` and these keys."""
    max_patches: int | None = Field(None, ge=1)
    """Maximum number of patches per bag in training, sampled per epoch; default: all. Validation and test use all."""
    clip: float = Field(1.0, gt=0.0)
    """Maximum norm of the gradient."""
    precision: Literal["32", "bf16"] = "32"
    """Arithmetic of training: float32, or bfloat16 autocast. Predictions use float32."""
    threads: int = Field(1, ge=1)
    """CPU threads per fit. They affect the result: another number changes its last bits."""
    skip_limit: int = Field(10, ge=1)
    """Number of consecutive steps without a finite loss and gradient after which the fit ends with an error."""
