"""The `[train]` table."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny

from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.fit.settings import FitSettings
from oceanpath.models.registry import parse_model
from oceanpath.models.settings import ABMILSettings, ModelSettings
from oceanpath.settings import added, outside, shared

Allowed = Literal["encoder", "model", "seen_patients"]


def _model(value: Any) -> Any:
    return parse_model(value) if isinstance(value, dict) else value


class TrainSettings(ObjectiveSettings, FitSettings):
    """Training of one model per fold, and selection of its epoch on the inner validation set."""

    patience: int = Field(8, ge=1)
    """Number of epochs without a better validation score after which training stops."""
    refit_fold: bool = added(False)
    """Whether each fold is trained again on its training and validation patients, up to the epoch that validation
    selected, before its test patients are predicted. Thresholds and temperatures are those of the first training."""
    aggregator_weights: Path | None = outside(published="pretrain/aggregator.safetensors")
    """Pretrained weights from which the aggregator starts: a file aggregator.safetensors, an experiment of this
    workspace with `[pretrain]`, or the fingerprint of its result. Default: those of `[pretrain]` in this experiment;
    without it, random weights."""
    weights_allow: tuple[Allowed, ...] = added(())
    """Differences to the pretraining that are accepted: `encoder`; `model`, for settings without weights, such as
    dropout or input_norm; `seen_patients`, for tested patients that were used for pretraining. Default: an error."""
    freeze_aggregator: bool | Annotated[int, Field(ge=1)] = added(False)
    """Whether the aggregator is not trained at all (true), or the number of first epochs in which it is not."""
    seed: int | None = added(None, ge=0)
    """Seed of training: initial weights, batches and dropout; default: `seed` of the experiment, which also seeds the
    splits."""
    model: Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_model)] = shared("model", ABMILSettings())
    experiment_seed: int = shared("seed", 42, ge=0)
    device: str = shared("runtime.device", "auto", is_runtime=True)
    placement: str = shared("runtime.placement", "auto", is_runtime=True)

    @property
    def training_seed(self) -> int:
        """The seed of training."""
        return self.experiment_seed if self.seed is None else self.seed
