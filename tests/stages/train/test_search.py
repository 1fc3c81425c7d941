"""Search within a fold: its inner validation rows alone compare trials; an interrupted search has the same result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oceanpath.artifacts import predictions
from oceanpath.errors import MissingExtraError
from oceanpath.fit.study import Study, Trial
from oceanpath.pipeline.stage import Inputs, ParentSources, Quiet
from oceanpath.stages.train import preflight
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stages.train.space import with_values
from oceanpath.stages.train.work import parts, run_part

from .test_work import QUICK, contents, part_of, rewrite, slides, whole

SPACE = {"lr": {"low": 1e-4, "high": 1e-1, "log": True}, "model": {"hidden": [4, 8]}}
SHORT = QUICK.model_copy(update={"epochs": 3, "patience": 3})
GIVEN = {name: getattr(SHORT, name) for name in SHORT.model_fields_set}
SEARCH = TrainSettings.model_validate({**GIVEN, "search": {"trials": 4, "startup": 2, "space": SPACE}})


def needs_optuna() -> None:
    pytest.importorskip("optuna", reason="an extra: oceanpath[search]")


def problems(space: dict[str, Any]) -> list[str]:
    settings = TrainSettings.model_validate({**GIVEN, "search": {"space": space}})
    return [problem.render() for problem in preflight.preflight(settings, ParentSources()).problems]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"lrr": [1e-3, 1e-2]}, ["unknown key 'lrr'. Did you mean 'lr'?"]),
        ({"model": {"hiden": [4, 8]}}, ["unknown key 'model.hiden'. Did you mean 'model.hidden'?"]),
        ({"lr": [1e-3, -1], "epochs": [0, 2]}, ["greater than 0; got -1", "greater than or equal to 1; got 0"]),
        ({"seed": [1, 2]}, ["seed must be the same in all trials"]),
        ({"lr": 3}, ["lr: expected a list of values"]),
        ({}, ["the search has no keys to vary"]),
    ],
)
def test_a_space_that_is_not_valid_is_reported_before_training(space: dict[str, Any], expected: list[str]) -> None:
    needs_optuna()
    found = problems(space)
    assert len(found) == len(expected)
    assert all(text in problem for text, problem in zip(expected, found, strict=True))


def test_pretrained_weights_are_of_one_architecture() -> None:
    needs_optuna()
    with_weights = ParentSources(names=frozenset({"pretrain"}))
    (problem,) = preflight.preflight(SEARCH, with_weights).problems
    assert "pretrained weights fit one architecture" in problem.render()
    allowed = SEARCH.model_copy(update={"weights_allow": ("model",)})
    assert not preflight.preflight(allowed, with_weights).problems


def test_a_search_without_optuna_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    (problem,) = preflight.preflight(SEARCH, ParentSources()).problems
    assert isinstance(problem, MissingExtraError) and "oceanpath[search]" in problem.render()


def test_no_trials_are_no_search() -> None:
    assert TrainSettings.model_validate({**GIVEN, "search": {"trials": 0, "space": SPACE}}) == SHORT
    assert SEARCH.identity()["search"]["space"] == SPACE


def test_a_fold_is_trained_with_the_best_settings_of_its_own_validation_rows(inputs: Inputs, tmp_path: Path) -> None:
    needs_optuna()
    folder = part_of(SEARCH, inputs, 0, tmp_path / "searched")
    found, facts = (json.loads((folder / name).read_text()) for name in ("search.json", "fold.json"))
    complete = [trial for trial in found["trials"] if trial["state"] == "complete"]
    best = min(complete, key=lambda trial: trial["path"][-1])
    assert len(found["trials"]) == 4 and found["values"] == best["values"] == facts["search"]["values"]
    assert facts["val_loss"] == best["path"][-1], "the winner is trained again with the same result"
    alone = part_of(with_values(SEARCH, best["values"]), inputs, 0, tmp_path / "alone")
    assert contents(alone)["best.ckpt"] == contents(folder)["best.ckpt"], "the winner can be run without the search"
    rewrite(inputs, 0, {slide: {"label": "no"} for slide in slides(inputs, 0, "test")})
    after = part_of(SEARCH, inputs, 0, tmp_path / "after")
    for name in ("search.json", "best.ckpt", "fold.json"):
        assert contents(after)[name] == contents(folder)[name], "test rows choose nothing"


def test_an_interrupted_search_has_the_same_result(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_optuna()
    whole_search = contents(part_of(SEARCH, inputs, 0, tmp_path / "whole"))
    finish, out = Study.finish, tmp_path / "killed"

    def killed(study: Study, *args: Any) -> None:
        finish(study, *args)
        if len(study.trials) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Study, "finish", killed)
    with pytest.raises(KeyboardInterrupt):
        part_of(SEARCH, inputs, 0, out)
    monkeypatch.setattr(Study, "finish", finish)
    started, ask = list[int](), Study.next

    def counted(study: Study) -> Trial | None:
        started.append(len(study.trials))
        return ask(study)

    monkeypatch.setattr(Study, "next", counted)
    run_part(SEARCH, inputs, parts(SEARCH, inputs)[0], out, Quiet())
    assert contents(out) == whole_search
    assert started == [3, 4], "one trial was left, and the end of the budget"


@pytest.mark.parametrize("selection", ["searched", "reported"])
def test_what_was_selected_on_tested_patients_is_marked(inputs: Inputs, tmp_path: Path, selection: str) -> None:
    settings = SHORT.model_copy(update={"selection": selection})
    assert predictions.read_cv_results(whole(settings, inputs, tmp_path / "out"))["selected"] is True


def test_an_epoch_that_test_rows_select_has_the_lowest_test_loss(inputs: Inputs, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"selection": "reported"})
    before = json.loads((part_of(settings, inputs, 0, tmp_path / "before") / "history.json").read_text())
    rewrite(inputs, 0, {slide: {"label": "no"} for slide in slides(inputs, 0, "test")})
    after = json.loads((part_of(settings, inputs, 0, tmp_path / "after") / "history.json").read_text())
    assert [row["val_loss"] for row in before][:3] != [row["val_loss"] for row in after][:3]
