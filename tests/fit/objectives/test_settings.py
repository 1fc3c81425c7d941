from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from oceanpath.fit.objectives import registry
from oceanpath.fit.objectives.registry import ObjectiveEntry
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.tasks import registry as tasks
from oceanpath.tasks.registry import TaskEntry


@pytest.fixture
def dose(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second task."""
    entry = ObjectiveEntry("package.module:Class", ("huber", "mse"), ("balance",))
    monkeypatch.setattr(registry, "_ENTRIES", {**registry._ENTRIES, "dose": entry})
    monkeypatch.setattr(
        tasks, "_ENTRIES", {**tasks._ENTRIES, "dose": TaskEntry("package.module:Class", ("val_error", "val_rank"))}
    )


def parse(**values: Any) -> ObjectiveSettings:
    return ObjectiveSettings.model_validate(values)


def test_the_documented_defaults() -> None:
    assert parse().model_dump() == {
        "monitor": "val_loss",
        "loss": "ce",
        "focal_gamma": 2.0,
        "label_smoothing": 0.0,
        "target_weights": {},
        "balance": "none",
        "window": 16,
        "ties": "efron",
        "time_bins": 4,
        "task": "classification",
    }


@pytest.mark.usefixtures("dose")
def test_another_task_has_the_first_of_its_losses_and_monitors_as_defaults() -> None:
    settings = parse(task="dose")
    assert (settings.monitor, settings.loss) == ("val_error", "huber")
    settings = parse(task="dose", monitor="val_rank", loss="mse", balance="sampling")
    assert (settings.monitor, settings.loss, settings.balance) == ("val_rank", "mse", "sampling")


@pytest.mark.usefixtures("dose")
@pytest.mark.parametrize("key", ["focal_gamma", "label_smoothing"])
def test_a_key_that_the_task_does_not_read_is_an_error(key: str) -> None:
    with pytest.raises(ValidationError, match=f"{key}: not a key of the task dose"):
        parse(task="dose", **{key: 0.5})
    assert getattr(parse(**{key: 0.5}), key) == 0.5


@pytest.mark.usefixtures("dose")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "mse"}, "loss of the task classification must be one of ce, focal; got 'mse'"),
        ({"monitor": "val_rank"}, "monitor of the task classification must be one of"),
        ({"task": "dose", "loss": "ce"}, "loss of the task dose must be one of huber, mse; got 'ce'"),
        ({"task": "absent"}, "absent"),
        ({"label_smoothing": 1.0}, "less than 1"),
        ({"focal_gamma": -0.1}, "greater than or equal to 0"),
    ],
)
def test_what_a_task_does_not_have_is_an_error(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse(**values)
