"""Averages of several trainings that start from the same weights; validation rows alone choose their members."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from oceanpath.artifacts import predictions
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.pipeline.stage import Inputs, ParentSources
from oceanpath.stages.train.preflight import preflight
from oceanpath.stages.train.soup import mean_state

from .test_work import QUICK, TASK, contents, part_of, rewrite, slides

SHORT = QUICK.model_copy(update={"epochs": 4, "patience": 4, "lr": 3e-3})
SOUP = SHORT.model_copy(update={"soup": 3})


def test_the_mean_of_weights_leaves_counts_alone() -> None:
    states = [{"weight": torch.tensor([value]), "steps": torch.tensor(int(value))} for value in (1.0, 4.0)]
    assert mean_state(states)["weight"].item() == 2.5 and mean_state(states)["steps"].item() == 1


def test_an_average_is_at_least_as_good_on_validation_as_its_best_training(inputs: Inputs, tmp_path: Path) -> None:
    one, soup = (part_of(settings, inputs, 0, tmp_path / str(settings.soup)) for settings in (SHORT, SOUP))
    single, facts = (json.loads((folder / "fold.json").read_text()) for folder in (one, soup))
    assert facts["soup"]["runs"] == 3 and 1 <= facts["soup"]["averaged"] <= 3
    history = json.loads((soup / "history.json").read_text())
    assert facts["val_loss"] <= history[facts["best_epoch"]]["val_loss"] <= single["val_loss"] + 1e-12
    val = predictions.read_predictions(soup / "preds_val.parquet", TASK)
    chosen = val["prob_yes"].where(val["label"] == "yes", val["prob_no"])
    assert -torch.tensor(chosen.to_numpy()).log().mean().item() == pytest.approx(facts["val_loss"], abs=1e-6)
    assert load_checkpoint(soup / "best.ckpt").model.outputs == ("no", "yes")
    rewrite(inputs, 0, {slide: {"label": "no"} for slide in slides(inputs, 0, "test")})
    again = part_of(SOUP, inputs, 0, tmp_path / "again")
    assert contents(again)["best.ckpt"] == contents(soup)["best.ckpt"], "test rows choose nothing"


def test_a_refit_cannot_repeat_an_average() -> None:
    (problem,) = preflight(SOUP.model_copy(update={"refit_fold": True}), ParentSources()).problems
    assert "a refit is one training" in problem.render()
