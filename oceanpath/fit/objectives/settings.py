"""Keys of `[train]` that an objective reads. No torch."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from oceanpath.errors import ExperimentError
from oceanpath.fit.objectives.registry import objective_entry
from oceanpath.settings import Settings, shared
from oceanpath.tasks.registry import CLASSIFICATION, task_entry


class ObjectiveSettings(Settings):
    """Loss and balance of training, and the validation score that selects the epoch."""

    monitor: str = Field("val_loss", json_schema_extra={"examples": ["val_loss", "val_auroc"]})
    """Validation score that selects the epoch: val_loss, or for classification val_auroc, the highest AUROC and, if
    equal, the lowest cross-entropy."""
    loss: str = Field("ce", json_schema_extra={"examples": ["ce", "focal"]})
    """Training loss; for classification ce (cross-entropy) or focal (Lin et al. 2017)."""
    focal_gamma: float = Field(2.0, ge=0.0)
    """Exponent of the focal loss: how much it discounts slides that are classified correctly."""
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    """Fraction of each label that is spread over all classes; for ce."""
    balance: Literal["none", "loss", "sampling"] = "none"
    """Handling of class imbalance: none, loss (class weights by inverse frequency) or sampling (equal class rates)."""
    task: str = shared("data.task", CLASSIFICATION, is_added=True)

    @model_validator(mode="before")
    @classmethod
    def _use_the_defaults_of_the_task(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("task", CLASSIFICATION) == CLASSIFICATION:
            return values
        try:
            task, objective = task_entry(values["task"]), objective_entry(values["task"])
        except ExperimentError as error:
            raise ValueError(error.render()) from error
        if unread := (values.keys() & _KEYS) - set(objective.keys):
            raise ValueError(f"{', '.join(sorted(unread))}: not a key of the task {values['task']}")
        return {"monitor": task.monitors[0], "loss": objective.losses[0], **values}

    @model_validator(mode="after")
    def _has_a_known_monitor_and_loss(self) -> Self:
        known = {"monitor": task_entry(self.task).monitors, "loss": objective_entry(self.task).losses}
        for key, names in known.items():
            if (value := getattr(self, key)) not in names:
                raise ValueError(f"{key} of the task {self.task} must be one of {', '.join(names)}; got {value!r}")
        return self


_KEYS = {"focal_gamma", "label_smoothing", "balance"}
"""Keys that not every objective reads."""
