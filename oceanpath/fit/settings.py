"""Settings of training that do not depend on the task. No torch."""

from typing import Literal

from pydantic import Field

from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.registry import SelectedBatching
from oceanpath.settings import Settings, added, runtime


class FitSettings(Settings):
    """Optimiser, schedule and batches; the keys of every stage that fits a model."""

    lr: float = Field(2e-4, gt=0.0)
    """Peak learning rate of AdamW."""
    head_lr: float | None = added(None, gt=0.0)
    """Peak learning rate of the output layer; default: `lr`."""
    aggregator_lr: float | None = added(None, gt=0.0)
    """Peak learning rate of the aggregator, for example a lower one for pretrained weights; default: `lr`."""
    weight_decay: float = Field(1e-2, ge=0.0)
    """Weight decay of AdamW for matrices; biases and normalisation weights have none."""
    epochs: int = Field(30, ge=1)
    """Maximum number of epochs."""
    warmup: float = Field(1.0, ge=0.0)
    """Epochs of linear warm-up, followed by the schedule."""
    schedule: Literal["cosine", "constant", "step", "plateau"] = added("cosine")
    """Learning rate after the warm-up: `cosine` decay to zero; `constant`; `step`, multiplied by `schedule_factor`
    every `schedule_epochs` epochs; `plateau`, whenever `schedule_epochs` epochs had no better validation score."""
    schedule_factor: float = added(0.1, gt=0.0, lt=1.0)
    """Factor by which the schedules `step` and `plateau` reduce the learning rate."""
    schedule_epochs: int = added(5, ge=1)
    """Number of epochs between two reductions of the learning rate, of `step` and `plateau`."""
    batch_size: int | None = Field(None, ge=1)
    """Bags per step. Default: a 40th of the training slides, rounded to a power of two from 4 to 16, so that an epoch
    has several steps; 4 for a loss that compares slides."""
    accumulate: int = added(1, ge=1)
    """Number of batches whose gradients are averaged for one step of the optimiser. A loss that compares slides has a
    window of batches instead."""
    batching: SelectedBatching = added(Fixed())
    """Batching strategy: `fixed`, `batch_size` bags in random order; `length_buckets`, bags of similar length in
    `buckets` groups; `token_budget`, at most `budget` patches and `max_bags` bags (`padded`: with padding). A strategy
    with settings is a table `[train.batching]` with `name` and these keys."""
    max_patches: int | None = Field(None, ge=1)
    """Maximum number of patches per bag in training, sampled per epoch; default: all. Validation and test use all."""
    instance_dropout: float = added(0.0, ge=0.0, lt=1.0)
    """Probability with which each patch of a bag is left out of a training step."""
    feature_noise: float = added(0.0, ge=0.0)
    """Normal noise in the features of training steps, as a multiple of the standard deviation of each feature."""
    attention_entropy: float = added(0.0, ge=0.0)
    """Weight of the entropy of a bag's attention, which is subtracted from its loss, so that attention spreads over
    more patches (AEM, Zhang et al. 2024); 0: not used."""
    ema: float = added(0.0, ge=0.0, lt=1.0)
    """Decay per step of an exponential moving average of the weights, which is evaluated and saved instead of the
    weights themselves; 0: no average."""
    prior_bias: bool = added(False)
    """Whether the biases of the output layer start at the class frequencies of the training slides."""
    clip: float = Field(1.0, gt=0.0)
    """Maximum norm of the gradient."""
    precision: Literal["32", "bf16", "auto"] = "32"
    """Arithmetic of training: float32, bfloat16 autocast, or auto: bfloat16 on a GPU that supports it, otherwise
    float32. Predictions use float32."""
    threads: int = Field(1, ge=1)
    """CPU threads per fit. They affect the result: another number changes its last bits."""
    checkpoint_seconds: float = runtime(60.0, ge=0.0)
    """Seconds between two saved states, from which an interrupted training is resumed with the same result."""
    skip_limit: int = Field(10, ge=1)
    """Number of consecutive steps without a finite loss and gradient after which the fit ends with an error."""

    def part_rates(self) -> dict[str, float]:
        """Peak learning rates of the parts of the model that have their own."""
        rates = {"head": self.head_lr, "aggregator": self.aggregator_lr}
        return {name: rate for name, rate in rates.items() if rate is not None}
