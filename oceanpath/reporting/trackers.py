"""A recorded run for programs that track experiments: MLflow and TensorBoard.

Nothing is sent anywhere: both write below a folder of this machine, which ``mlflow ui --backend-store-uri
sqlite:///DIR/mlflow.db`` and ``tensorboard --logdir DIR`` show. ``wandb sync DIR`` uploads the files for TensorBoard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from oceanpath.errors import MissingExtraError

MLFLOW = "mlflow.db"
LENGTH = 500
"""Maximum length of a parameter in MLflow."""
STATES = {"ok": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
"""State of a run → its status in MLflow."""


@dataclass(frozen=True)
class TrackedRun:
    """A run as a tracker records it."""

    experiment: str
    name: str
    state: str
    started: float
    """Seconds since 1970."""
    ended: float
    params: Mapping[str, str]
    """``STEP.KEY`` → value of a setting."""
    metrics: Mapping[str, float]
    """``STEP/METRIC`` → value."""
    tags: Mapping[str, str]
    """Command, fingerprints of the steps, and the environment."""


def tracked_run(run: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> TrackedRun:
    """The run of the ledger with its steps."""
    settings = ((step["name"], (step["identity"] or {}).get("settings") or {}) for step in steps)
    params = {key: _text(value) for name, keys in settings for key, value in _flat(name, keys)}
    metrics = {
        f"{step['name']}/{name}": float(value)
        for step in steps
        for name, value in step["metrics"].items()
        if isinstance(value, int | float)
    }
    tags = {"command": f"oceanpath {run['command']}"}
    tags |= {f"fingerprint.{step['name']}": step["fingerprint"] for step in steps if step["fingerprint"]}
    tags |= {f"environment.{key}": _text(value) for key, value in run["environment"].items()}
    started = float(run["started"])
    name = f"{run['experiment']} {run['id']}"
    return TrackedRun(run["experiment"], name, run["state"], started, run["ended"] or started, params, metrics, tags)


def _flat(prefix: str, values: Any) -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of nested tables."""
    if not isinstance(values, Mapping):
        yield prefix, values
        return
    for key, value in values.items():
        yield from _flat(f"{prefix}.{key}", value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def write_mlflow(run: TrackedRun, out: Path) -> None:
    """Add the run to `out`/mlflow.db. Raises: MissingExtraError: mlflow is not installed."""
    _need("mlflow", "mlflow")
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    folder = out.resolve()
    client = MlflowClient(f"sqlite:///{folder / MLFLOW}")
    known = client.get_experiment_by_name(run.experiment)
    number = known.experiment_id if known else client.create_experiment(run.experiment, (folder / "files").as_uri())
    start, end = (int(1000 * seconds) for seconds in (run.started, run.ended))
    new = client.create_run(number, start_time=start, run_name=run.name).info.run_id
    metrics = [Metric(name, value, end, 0) for name, value in run.metrics.items()]
    params = [Param(name, value[:LENGTH]) for name, value in run.params.items()]
    client.log_batch(new, metrics, params, [RunTag(name, value) for name, value in run.tags.items()])
    client.set_terminated(new, STATES.get(run.state, "RUNNING"), end)


def write_tensorboard(run: TrackedRun, out: Path) -> None:
    """Write the run as an event file below `out`. Raises: MissingExtraError: tensorboard is not installed."""
    _need("tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(out / run.name)) as writer:
        for name, value in run.metrics.items():
            writer.add_scalar(name, value, 0, walltime=run.ended)
        for title, values in (("settings", run.params), ("provenance", run.tags)):
            text = "\n".join(f"    {name} = {value}" for name, value in values.items())
            writer.add_text(title, text, 0, walltime=run.ended)


WRITERS: dict[str, Callable[[TrackedRun, Path], None]] = {"mlflow": write_mlflow, "tensorboard": write_tensorboard}


def _need(package: str, extra: str) -> None:
    try:
        import_module(package)
    except ImportError as error:
        do = f"Install it with: python -m pip install 'oceanpath[{extra}]'"
        raise MissingExtraError("this export needs a package", expected=package, do=do) from error
