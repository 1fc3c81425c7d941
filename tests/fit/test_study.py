"""Studies: the space is checked, proposals are deterministic, and a resumed study has the same trials."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from oceanpath.errors import StageError
from oceanpath.fit.search_settings import SearchSettings
from oceanpath.fit.search_space import Choices, Range, read_space

from ..published_settings import check_keys, read_reference

SPACE = {
    "lr": {"low": 1e-5, "high": 1e-1, "log": True},
    "batch_size": [4, 8],
    "model": {"hidden": {"low": 8, "high": 64}},
}
SETTINGS = SearchSettings(trials=14, startup=4, space=SPACE)


def test_keys_of_the_model_are_dotted_and_whole_numbers_stay_whole() -> None:
    space = read_space(SPACE)
    assert space == {"lr": Range(1e-5, 1e-1, True), "batch_size": Choices((4, 8)), "model.hidden": Range(8, 64)}
    assert [values.is_whole for values in space.values() if isinstance(values, Range)] == [False, True]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "lr: expected a list of values, or a table"),
        ([3], "lr: there is nothing to choose from"),
        ({"low": 1}, "lr: expected a list of values, or a table"),
        ({"low": 1, "high": 2, "step": 1}, "lr: expected a list of values, or a table"),
        ({"low": 2, "high": 1}, "lr: expected low < high, got 2 and 1"),
        ({"low": 0, "high": 1, "log": True}, "lr: expected 0 < low < high"),
        ({"low": "a", "high": 1}, "lr: expected numbers for low and high"),
        ({"low": True, "high": 2}, "lr: expected numbers for low and high"),
    ],
)
def test_values_that_are_not_a_space_are_refused_with_their_key(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_space({"lr": given})


def run(file: Path, settings: SearchSettings = SETTINGS, stop: int = 99) -> Any:
    """Trials of a function whose best values are known; ends after `stop` trials, as if it was killed."""
    pytest.importorskip("optuna", reason="an extra: oceanpath[search]")
    from oceanpath.fit.study import Study

    study = Study(settings, 5, file)
    while len(study.trials) < stop and (trial := study.next()) is not None:
        distance = abs(math.log10(trial.values["lr"]) + 3) + (trial.values["batch_size"] == 4)
        scores, is_pruned = list[float](), False
        for epoch in range(6):
            scores.append(distance + 1 / (epoch + 1))
            if is_pruned := trial.should_end(scores):
                break
        study.finish(trial, "pruned" if is_pruned else "complete", {"epochs": len(scores)})
    return study


def test_an_interrupted_study_has_the_same_trials_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.json")
    run(tmp_path / "killed.json", stop=6)
    assert run(tmp_path / "killed.json").trials == whole.trials
    assert len(json.loads((tmp_path / "killed.json").read_text())["trials"]) == 14


def test_a_study_ends_poor_trials_early_and_its_best_trial_is_good(tmp_path: Path) -> None:
    study = run(tmp_path / "trials.json")
    assert {record["state"] for record in study.trials} == {"complete", "pruned"}
    ended = [record["epochs"] for record in study.trials if record["state"] == "pruned"]
    assert min(ended) == 2 and max(ended) < 6, "the first epoch alone ends no trial"
    best = study.best()
    assert best["state"] == "complete" and best["values"]["batch_size"] == 8
    assert 1e-4 < best["values"]["lr"] < 1e-2
    everything = run(tmp_path / "all.json", SETTINGS.model_copy(update={"prune": False}))
    assert {record["state"] for record in everything.trials} == {"complete"}


def test_the_budget_is_also_one_of_minutes(tmp_path: Path) -> None:
    assert len(run(tmp_path / "trials.json", SETTINGS.model_copy(update={"minutes": 1e-9})).trials) == 1


def test_a_study_without_a_complete_trial_has_no_best_one(tmp_path: Path) -> None:
    study = run(tmp_path / "trials.json", stop=0)
    study.finish(study.next(), "failed", {"reason": "training diverges"})
    with pytest.raises(
        StageError, match="no trial of the search has a score; got 1 trials; the last that failed: training diverges"
    ):
        study.best()


def test_the_best_trial_has_the_lowest_last_score_and_of_equals_is_the_first(tmp_path: Path) -> None:
    study = run(tmp_path / "trials.json", stop=0)
    for path in ([0.9, 0.5, 0.3], [0.4, 0.4, 0.4], [0.8, 0.6, 0.3], [0.7, 0.1]):
        trial = study.next()
        trial.should_end(path)
        study.finish(trial, "pruned" if len(path) == 2 else "complete", {})
    assert study.best()["number"] == 0


def test_keys_ranges_and_defaults_are_those_of_the_reference() -> None:
    check_keys(SearchSettings, read_reference()["$defs"]["SearchSettings"])
