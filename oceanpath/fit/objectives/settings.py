"""Keys of `[train]` that an objective reads. No torch."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from oceanpath.errors import ExperimentError
from oceanpath.fit.objectives.registry import objective_entry
from oceanpath.settings import Settings, added, shared
from oceanpath.tasks.registry import CLASSIFICATION, task_entry


class ObjectiveSettings(Settings):
    """Loss and balance of training, and the validation score that selects the epoch."""

    monitor: str = Field(
        "val_loss", json_schema_extra={"examples": ["val_loss", "val_auroc", "val_c_index", "val_mae"]}
    )
    """Validation score that selects the epoch: val_loss; for classification also val_auroc, the highest AUROC, for
    survival val_c_index, the highest C-index, and for regression val_mae, the lowest mean absolute error; of equal
    ones, the lowest loss."""
    loss: str = Field("ce", json_schema_extra={"examples": ["ce", "focal", "bce", "cox", "nll", "huber", "mse"]})
    """Training loss; for classification ce (cross-entropy) or focal (Lin et al. 2017), for survival cox (Cox's partial
    likelihood) or nll (likelihood of discrete times), for regression huber or mse, for ordinal
    cumulative_link, for multilabel bce (binary cross-entropy)."""
    focal_gamma: float = Field(2.0, ge=0.0)
    """Exponent of the focal loss: how much it discounts slides that are classified correctly."""
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    """Fraction of each label that is spread over all classes; for ce."""
    balance: Literal["none", "loss", "sampling"] = "none"
    """Handling of class imbalance: none, loss (class weights by inverse frequency) or sampling (equal class rates)."""
    window: int = added(16, ge=2)
    """Slides whose risks one loss of cox compares; a window of batches, each with at least one event."""
    ties: Literal["efron", "breslow"] = added("efron")
    """How cox handles events at the same time."""
    time_bins: int = added(4, ge=2)
    """Number of bins of nll; they end at quantiles of the times of events in the training rows."""
    target_weights: dict[str, Annotated[float, Field(gt=0.0, allow_inf_nan=False)]] = added({})
    """Weight of each label of multilabel in the loss, as a table such as {egfr = 2.0}; others have weight 1. Weights
    are divided by their mean over all labels. Validation scores are not weighted."""
    task: str = shared("data.task", CLASSIFICATION, is_added=True)

    @model_validator(mode="before")
    @classmethod
    def _use_the_defaults_of_the_task(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        name = values.get("task", CLASSIFICATION)
        try:
            task, objective = task_entry(name), objective_entry(name)
        except ExperimentError as error:
            raise ValueError(error.render()) from error
        if unread := (values.keys() & _KEYS) - set(objective.keys):
            raise ValueError(f"{', '.join(sorted(unread))}: not a key of the task {name}")
        return {"monitor": task.monitors[0], "loss": objective.losses[0], **values}

    def keys_not_allowed(self) -> set[str]:
        """Keys of objectives of other tasks."""
        return _KEYS - set(objective_entry(self.task).keys)

    @model_validator(mode="after")
    def _has_a_known_monitor_and_loss(self) -> Self:
        known = {"monitor": task_entry(self.task).monitors, "loss": objective_entry(self.task).losses}
        for key, names in known.items():
            if (value := getattr(self, key)) not in names:
                raise ValueError(f"{key} of the task {self.task} must be one of {', '.join(names)}; got {value!r}")
        return self


_KEYS = {"focal_gamma", "label_smoothing", "balance", "window", "ties", "time_bins", "target_weights"}
"""Keys that not every objective reads."""
