"""A training that several processes share is that of one process; it ends when one of them ends."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import AccidentError, ExperimentError
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.ssl.distributed import Share, joined
from oceanpath.ssl.methods.registry import METHODS
from oceanpath.stages.pretrain import processes
from oceanpath.stages.pretrain.cohort import read_cohorts
from oceanpath.stages.pretrain.outputs import RESULT
from oceanpath.stages.pretrain.training import Training
from oceanpath.stages.pretrain.work import run

from .conftest import Build, small_settings

FORK = multiprocessing.get_context("fork")
SHARES = (Share(0, 2), Share(1, 2))
KEYS = {"dropout": 0.0, "accumulate": 2, "max_steps": 3, "batch_size": 7}
"""Batches of 7, 7 and 2 bags: shares of different sizes, and no batch of fewer bags than processes."""


def trained(trainings: dict[str, Training], share: Share, folder: Path) -> None:
    """Train every method in turn, in one group of processes."""
    with joined(share, folder):
        for name, training in trainings.items():
            for group in training.optimizer.param_groups:
                group["eps"] = 1e-3  # a gradient that is zero but for rounding does not move a weight
            out = folder / f"{name}_{share.rank}"
            out.mkdir()
            training.run(out, Quiet())


def test_two_processes_train_every_method_as_one_process_does(build: Build, tmp_path: Path) -> None:
    first, second = ({name: build(name, share=share, **KEYS) for name in METHODS} for share in SHARES)
    other = FORK.Process(target=trained, args=(second, SHARES[1], tmp_path))
    other.start()
    trained(first, SHARES[0], tmp_path)
    other.join()
    assert other.exitcode == 0
    alone = {name: build(name, **KEYS) for name in METHODS}
    (tmp_path / "alone").mkdir()
    trained(alone, Share(), tmp_path / "alone")
    for name in METHODS:
        same, expected = (each[name].method.state_dict() for each in (first, alone))
        for key, value in expected.items():
            torch.testing.assert_close(same[key], value, rtol=1e-5, atol=1e-5, msg=f"{name}: {key}")
        for row, other_row in zip(first[name].state.rows, alone[name].state.rows, strict=True):
            assert row == pytest.approx(other_row, rel=1e-4, abs=1e-5), name


def test_two_devices_of_the_stage_train_as_one_does(build: Build, store: Store, labels: Path, tmp_path: Path) -> None:
    """Without a change of the optimiser a weight on which nothing depends may differ, so monitors are compared."""
    keys = {"dropout": 0.0, "max_steps": 2, "device": "cpu"}
    run(small_settings("simclr", labels, devices=2, **keys), Inputs({"mmap": store.path}), tmp_path, Quiet())
    (tmp_path / "alone").mkdir()
    alone = build("simclr", **keys).run(tmp_path / "alone", Quiet())
    monitors = json.loads((tmp_path / RESULT).read_text())["monitors"]
    assert monitors == pytest.approx(alone.rows[-1], rel=1e-4)


def test_a_process_that_ends_ends_the_training(
    build: Build, store: Store, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "CONTEXT", FORK)
    monkeypatch.setattr(processes, "GRACE_SECONDS", 1.0)
    settings, training = small_settings("simclr", labels, devices=2), build("simclr", share=SHARES[0])
    (cohort,) = read_cohorts(settings, Inputs(), store.slide_ids, labelled=False)
    others = processes.other_processes(settings, Inputs(), cohort, tmp_path, tmp_path)  # without a store it fails
    with pytest.raises(AccidentError, match="a process of the training ended"), others:
        training.run(tmp_path, Quiet())


def test_more_devices_than_slides_are_refused(build: Build) -> None:
    with pytest.raises(ExperimentError, match="too many devices"):
        build("simclr", share=Share(0, 19))
