"""A pretraining method is a stage in a folder of its own and one line of the catalog; an experiment then runs it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.cli import invocation
from oceanpath.models.registry import build_aggregator
from oceanpath.models.settings import ABMILSettings
from oceanpath.stages.catalog import CATALOG

from ..conftest import Cohort
from .pretraining.stage import STAGE

TABLES = '[model]\nname = "abmil"\nhidden = 16\nattention = 8\ndropout = 0.0\n[pretraining]\nepochs = 80\n'


@pytest.fixture
def pretraining(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of the catalog, as commands read it."""
    monkeypatch.setattr(invocation, "CATALOG", replace(CATALOG, stages=(*CATALOG.stages, STAGE)))


@pytest.mark.usefixtures("pretraining")
def test_a_pretraining_stage_runs_and_its_weights_fit_the_aggregator(cohort: Cohort) -> None:
    cohort.toml += TABLES
    assert cohort.run() == 0
    folder = cohort.folder / "out/experiments/oceanpath"
    history = json.loads((folder / "pretraining/history.json").read_text())
    assert history["loss"][-1] < 0.95 * history["loss"][0]
    fold = json.loads((folder / "split/splits.json").read_text())
    assert 0 < len(history["slides"]) < fold["slides"], "the slides of other roles take no part"
    store = Store(folder / "mmap")
    model = build_aggregator(ABMILSettings(hidden=16, attention=8, dropout=0.0), store.dim)
    model.load_state_dict(torch.load(folder / "pretraining/encoder.pt"))


@pytest.mark.usefixtures("pretraining")
def test_its_keys_are_checked_and_its_result_is_reused(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    cohort.toml += TABLES
    assert cohort.run() == 0
    first = weights(cohort)
    capsys.readouterr()
    assert cohort.run() == 0
    assert "all 3 steps of oceanpath are up to date" in capsys.readouterr().out
    cohort.toml = cohort.toml.replace("epochs = 80", "epoch = 80")
    assert cohort.run() == 2
    assert "[pretraining]: unknown key 'epoch'" in capsys.readouterr().err
    assert weights(cohort) == first


def weights(cohort: Cohort) -> bytes:
    return Path(cohort.folder / "out/experiments/oceanpath/pretraining/encoder.pt").read_bytes()
