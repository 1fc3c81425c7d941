"""Planted collapse ends a training, with its reason and number; healthy trainings are not stopped."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from oceanpath.errors import StageError
from oceanpath.pipeline.stage import Quiet
from oceanpath.ssl.monitors.collapse import CollapseCheck
from oceanpath.stages.pretrain.training import Training

from ...ssl.bags import SMALL
from .conftest import Build
from .planted import PLANTED

SEEDS = int(os.environ.get("OCEANPATH_SEEDS", "1"))
"""Healthy trainings per method: 3 of every method in ``nox -s collapse``; otherwise one of one method."""
HEALTHY = [name for name in SMALL if name != "supervised" and (SEEDS > 1 or name == "jepa")]
COLLAPSING = PLANTED if SEEDS > 1 else ["vicreg", "byol", "dino without centring"]
KEYS: dict[str, object] = {
    "max_steps": 200,
    "monitor_every": 25,
    "checkpoint_every": 1000,
    "batch_size": 17,
    "lr": 1e-2,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COLLAPSING)
def test_planted_collapse_ends_the_training(
    name: str, build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    training = PLANTED[name](build, monkeypatch, KEYS)
    crossed = crossings(training, monkeypatch)
    with pytest.raises(StageError, match=r"have collapsed; got .* \d.* < \d") as caught:
        training.run(tmp_path, Quiet())
    assert training.state.done - crossed[-1] <= 100
    assert "on_collapse" in caught.value.do


def crossings(training: Training, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The last step at which all measures were above their limits, which are those of pretrain.json."""
    above = [0]
    update = CollapseCheck.update

    def recorded(check: CollapseCheck, *embeddings: np.ndarray) -> str:
        if not check.below(*embeddings):
            above[-1] = training.state.done
        return update(check, *embeddings)

    monkeypatch.setattr(CollapseCheck, "update", recorded)
    return above


def test_collapse_is_checked_every_50_steps_also_between_two_evaluations(
    build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    training = build("vicreg", max_steps=120, monitor_every=1000)
    steps = list[int]()
    monkeypatch.setattr(CollapseCheck, "update", lambda *_: steps.append(training.state.done))
    training.run(tmp_path, Quiet())
    assert steps == [50, 100, 120]
    assert [row["step"] for row in training.state.rows] == [0, 120]


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_healthy_trainings_are_not_stopped(name: str, seed: int, build: Build, tmp_path: Path) -> None:
    state = build(name, **{**KEYS, "lr": 3e-3, "seed": seed}).run(tmp_path, Quiet())
    assert state.done == 200
    assert not state.collapsed_at


def test_with_a_warning_the_training_continues_and_says_so(
    build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = {**KEYS, "on_collapse": "warn", "max_steps": 60, "monitor_every": 10}
    state = PLANTED["vicreg"](build, monkeypatch, keys).run(tmp_path, Quiet())
    assert 0 < state.collapsed_at <= 60
    assert "diversity of projections" in state.collapse
    assert state.done == 60
