from __future__ import annotations

import pytest
from pydantic import ValidationError

from oceanpath.errors import ExperimentError
from oceanpath.models.settings import ABMILSettings, StaticSettings
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stages.train.stage import STAGE


def test_every_key_but_device_and_placement_is_part_of_the_identity() -> None:
    identity = TrainSettings().identity()
    own = {*("monitor", "loss", "focal_gamma", "label_smoothing", "balance", "patience", "model", "experiment_seed")}
    own |= {*("lr", "weight_decay", "epochs", "warmup", "batch_size", "max_patches", "clip", "precision", "threads")}
    assert set(identity) == own | {"skip_limit"}, "keys that were added later are left out at their defaults"
    assert TrainSettings(experiment_seed=5).training_seed == 5
    assert TrainSettings(experiment_seed=5, seed=0).training_seed == 0
    assert "schedule" in TrainSettings(schedule="step").identity()
    assert TrainSettings(checkpoint_seconds=1.0).identity() == identity
    assert identity["model"] == ABMILSettings().identity()


def test_the_model_comes_as_settings_or_as_a_table() -> None:
    as_table = TrainSettings(model={"name": "static", "pool": "max"})
    assert as_table == TrainSettings(model=StaticSettings(pool="max"))
    assert as_table.identity()["model"]["pool"] == "max"
    with pytest.raises(ExperimentError, match="unknown aggregator"):
        TrainSettings(model={"name": "statik"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", 0),
        ("lr", float("inf")),
        ("epochs", 0),
        ("precision", "16"),
        ("lrr", 1),
        ("loss", "mse"),
        ("monitor", "val_f1"),
        ("task", "regressoin"),
    ],
)
def test_values_out_of_range_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        TrainSettings.model_validate({key: value})


def test_the_stage_needs_store_and_folds() -> None:
    assert STAGE.required() == ("mmap", "split")
    runtime = {"device": "runtime.device", "placement": "runtime.placement"}
    extraction = {"extract": "extract", "extracts": "stage.extract"}
    extraction |= {name: f"data.{name}" for name in ("features", "features_key", "level", "slides", "targets")}
    own = {"model": "model", "experiment_seed": "seed", "task": "data.task", "sealed": "eval.sealed"}
    assert TrainSettings.shared_keys() == own | extraction | runtime
