from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from oceanpath.fit.settings import FitSettings


def test_the_documented_defaults() -> None:
    """Results of an experiment that does not set them depend on these values."""
    assert FitSettings().model_dump() == {
        "lr": 2e-4,
        "weight_decay": 1e-2,
        "epochs": 30,
        "warmup": 1.0,
        "batch_size": None,
        "batching": {"name": "fixed"},
        "max_patches": None,
        "clip": 1.0,
        "precision": "32",
        "threads": 1,
        "accumulate": 1,
        "instance_dropout": 0.0,
        "feature_noise": 0.0,
        "ema": 0.0,
        "attention_entropy": 0.0,
        "prior_bias": False,
        "head_lr": None,
        "aggregator_lr": None,
        "schedule": "cosine",
        "schedule_factor": 0.1,
        "schedule_epochs": 5,
        "checkpoint_seconds": 60.0,
        "skip_limit": 10,
    }


SMALLEST = {"weight_decay": 0.0, "warmup": 0.0, "epochs": 1, "batch_size": 1, "max_patches": 1, "threads": 1}
SMALLEST |= {"skip_limit": 1}


@pytest.mark.parametrize("key", SMALLEST)
def test_the_smallest_value_is_accepted_and_a_smaller_one_is_not(key: str) -> None:
    smallest = SMALLEST[key]
    assert getattr(FitSettings.model_validate({key: smallest}), key) == smallest
    with pytest.raises(ValidationError, match="greater than or equal to"):
        FitSettings.model_validate({key: smallest - 1})


@pytest.mark.parametrize("values", [{"lr": 0.0}, {"clip": 0.0}, {"precision": "16"}])
def test_values_out_of_range_are_errors(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FitSettings.model_validate(values)
