"""A training is the same however often it is interrupted; its steps are those of the plan."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.errors import StageError
from oceanpath.fit.step_plan import StepPlan
from oceanpath.pipeline.stage import Quiet
from oceanpath.ssl.methods.base import Method
from oceanpath.ssl.methods.registry import METHODS
from oceanpath.ssl.teacher import Teacher
from oceanpath.stages.pretrain.checkpoints import BEST, LAST, TrainingState

from ...recording import recorded
from .conftest import Build


class KilledError(Exception):
    """Raised where a process would be killed."""


class StopAfter(Quiet):
    """Interrupts after a number of steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, count: int = 1) -> None:
        if count:
            self.left -= 1
            if self.left < 0:
                raise KilledError


def digest(method: Method, state: TrainingState, out: Path) -> str:
    """Of all weights, of every evaluation, and of the checkpoints."""
    digest = hashlib.blake2b(repr(state.contents()).encode())
    for name, value in sorted(method.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    for name in (BEST, LAST):
        digest.update((out / name).read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("keys", [{}, {"accumulate": 2, "precision": "bf16"}], ids=["plain", "accumulated in bf16"])
def test_interrupted_at_any_step_and_resumed_is_uninterrupted(
    name: str, keys: dict[str, object], build: Build, tmp_path: Path
) -> None:
    whole = build(name, **keys)
    (tmp_path / "whole").mkdir()
    expected = digest(whole.method, whole.run(tmp_path / "whole", Quiet()), tmp_path / "whole")
    for stop in (1, 4, 5, 8):
        out = tmp_path / f"stopped_{stop}"
        out.mkdir()
        with pytest.raises(KilledError):
            build(name, **keys).run(out, StopAfter(stop))
        torch.manual_seed(stop)  # another process has another state of the global generator
        resumed = build(name, **keys)
        assert digest(resumed.method, resumed.run(out, Quiet()), out) == expected, f"stopped after {stop} steps"


def test_a_damaged_checkpoint_starts_the_training_again(build: Build, tmp_path: Path) -> None:
    first = build("vicreg")
    expected = digest(first.method, first.run(tmp_path, Quiet()), tmp_path)
    (tmp_path / LAST).write_bytes((tmp_path / LAST).read_bytes()[:5000])
    again = build("vicreg")
    assert digest(again.method, again.run(tmp_path, Quiet()), tmp_path) == expected


def test_other_seeds_and_cohorts_give_other_weights(build: Build, tmp_path: Path) -> None:
    digests = set()
    for seed in (1, 2):
        out = tmp_path / str(seed)
        out.mkdir()
        training = build("vicreg", seed=seed)
        digests.add(digest(training.method, training.run(out, Quiet()), out))
    assert len(digests) == 2


@pytest.mark.parametrize(("accumulate", "batch_size", "expected"), [(1, 6, 3), (2, 6, 2), (3, 6, 1), (1, 17, 1)])
def test_a_step_is_an_update_of_the_weights_and_no_slide_is_left_out(
    accumulate: int, batch_size: int, expected: int
) -> None:
    sampler = BatchSampler([10] * 18, Fixed(), batch_size, seed=1, min_batch=2)
    plan = StepPlan(sampler, accumulate, epochs=4, max_steps=None)
    steps = list(plan.steps(0))
    assert plan.total == len(steps) == 4 * expected
    for epoch in range(4):
        own = [draw.position for step in steps if step.epoch == epoch for batch in step.batches for draw in batch]
        assert sorted(own) == list(range(18))
    assert [step.number for step in plan.steps(2)] == list(range(2, plan.total))
    orders = {tuple(draw.position for draw in step.batches[0]) for step in steps}
    assert len(orders) == len(steps), "epochs have batches of their own"


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_teacher_follows_once_per_step_up_to_the_last(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    """With accumulation too, the momentum is 1 at the last step and not before."""
    training = build("byol", accumulate=accumulate, max_steps=12)
    teacher, seen = training.method.get_submodule("teacher"), list[float]()
    assert isinstance(teacher, Teacher)
    follow = recorded(teacher.follow, lambda student, momentum: seen.append(momentum))
    monkeypatch.setattr(teacher, "follow", follow)
    training.run(tmp_path, Quiet())
    assert len(seen) == 12
    assert seen[-1] == 1.0
    assert max(seen[:-1]) < 1.0


def test_steps_without_finite_loss_are_skipped_and_then_end_the_training(build: Build, tmp_path: Path) -> None:
    training = build("vicreg", lr=1e30, skip_limit=3, max_steps=40, on_collapse="warn")
    with pytest.raises(StageError, match="not finite"):
        training.run(tmp_path, Quiet())


def test_the_kept_step_is_that_of_the_stated_rule(build: Build, tmp_path: Path) -> None:
    for name, column, sign in (("simclr", "val_loss", 1), ("jepa", "lidar", -1)):
        out = tmp_path / name
        out.mkdir()
        state = build(name, max_steps=20).run(out, Quiet())
        candidates = {row["step"]: sign * row[column] for row in state.rows[1:]}  # type: ignore[operator]  # numbers
        assert state.best_step == min(candidates, key=lambda step: candidates[step])
        assert state.rows[0]["step"] == 0
