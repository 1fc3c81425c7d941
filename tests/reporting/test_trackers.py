"""A recorded run for MLflow and TensorBoard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from oceanpath.errors import MissingExtraError
from oceanpath.reporting.trackers import MLFLOW, TrackedRun, tracked_run, write_mlflow, write_tensorboard

RUN = {
    "id": 3,
    "experiment": "mine",
    "state": "ok",
    "started": 100.0,
    "ended": 160.5,
    "command": "run mine.toml",
    "environment": {"cores": 2, "git": {"commit": "abc"}},
}
STEPS: list[dict[str, Any]] = [
    {"name": "mmap", "fingerprint": "f1", "identity": None, "metrics": {}},
    {
        "name": "train",
        "fingerprint": "f2",
        "identity": {"settings": {"lr": 0.001, "model": {"name": "abmil", "hidden": 256}, "max_patches": None}},
        "metrics": {"auroc": 0.9, "folds": 5, "device": "cpu"},
    },
]


@pytest.fixture
def tracked() -> TrackedRun:
    return tracked_run(RUN, STEPS)


def test_settings_metrics_and_provenance_are_recorded(tracked: TrackedRun) -> None:
    assert (tracked.name, tracked.started, tracked.ended) == ("mine 3", 100.0, 160.5)
    assert tracked.params == {
        "train.lr": "0.001",
        "train.model.name": "abmil",
        "train.model.hidden": "256",
        "train.max_patches": "null",
    }
    assert tracked.metrics == {"train/auroc": 0.9, "train/folds": 5.0}
    assert tracked.tags["fingerprint.train"] == "f2" and tracked.tags["environment.git"] == '{"commit": "abc"}'
    assert tracked_run({**RUN, "ended": None}, []).ended == 100.0


@pytest.mark.parametrize(("write", "package"), [(write_mlflow, "mlflow"), (write_tensorboard, "tensorboard")])
def test_without_the_package_the_error_names_its_extra(tracked, tmp_path, monkeypatch, write, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"oceanpath\[{package}\]"):
        write(tracked, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore")  # of mlflow and its packages
def test_mlflow_reads_what_was_written(tracked: TrackedRun, tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs oceanpath[mlflow]")
    from mlflow.telemetry.utils import is_telemetry_disabled
    from mlflow.tracking import MlflowClient

    assert is_telemetry_disabled()
    write_mlflow(tracked, tmp_path)
    write_mlflow(tracked, tmp_path)
    client = MlflowClient(f"sqlite:///{tmp_path / MLFLOW}")
    experiment = client.get_experiment_by_name("mine")
    run, again = client.search_runs([experiment.experiment_id])
    assert run.data.metrics == again.data.metrics == tracked.metrics and run.data.params == tracked.params
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("FINISHED", 100_000, 160_500)
    assert run.info.run_name == "mine 3" and run.data.tags["fingerprint.mmap"] == "f1"


@pytest.mark.filterwarnings("ignore")  # of tensorboard and its packages
def test_tensorboard_reads_what_was_written(tracked: TrackedRun, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs oceanpath[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_tensorboard(tracked, tmp_path)
    events = EventAccumulator(str(tmp_path / "mine 3"))
    events.Reload()
    assert events.Tags()["scalars"] == ["train/auroc", "train/folds"]
    assert events.Scalars("train/auroc")[0].value == pytest.approx(0.9)
