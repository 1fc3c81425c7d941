"""Predictions of several models for a slide."""

from __future__ import annotations

import pandas as pd
import pytest

from oceanpath.artifacts.tested_slides import average_ensembles, average_models, is_plain, read_plan


def entry(repeat: int, ensemble: int, name: str = "") -> dict[str, object]:
    return {"repeat": repeat, "ensemble": ensemble, "name": name}


def rows(*cells: tuple[int, str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(cells, columns=["fold", "slide_id", "prob_b"])
    return frame.assign(patient_id=frame["slide_id"].str.upper(), label="b", prob_a=1 - frame["prob_b"], role="test")


def test_a_record_without_a_plan_has_one_model_per_slide() -> None:
    plan = read_plan({"folds": 3})
    assert (plan.repeats, plan.ensembles, plan.names) == ((0, 0, 0), (0, 1, 2), ("", "", ""))
    assert is_plain(plan) and plan.n_repeats == 1 and not plan.has_ensembles
    frame = rows((0, "s", 0.1), (1, "t", 0.2))
    pd.testing.assert_frame_equal(average_ensembles(frame, plan, ["prob_a", "prob_b"]), frame)


def test_an_ensemble_predicts_the_mean_under_the_number_of_its_first_fold() -> None:
    plan = read_plan({"folds": 4, "plan": [entry(0, 0), entry(0, 0), entry(0, 2), entry(0, 2)]})
    assert plan.has_ensembles and not is_plain(plan) and plan.members(2) == [2, 3]
    frame = rows((0, "s", 0.1), (1, "s", 0.3), (2, "r", 0.5), (3, "r", 0.9))
    found = average_ensembles(frame, plan, ["prob_a", "prob_b"])
    assert found[["slide_id", "fold", "patient_id"]].to_numpy().tolist() == [["s", 0, "S"], ["r", 2, "R"]]
    assert found["prob_b"].tolist() == pytest.approx([0.2, 0.7]) and list(found.columns) == list(frame.columns)


def test_all_models_that_did_not_see_a_slide_are_averaged_and_counted() -> None:
    found = average_models(rows((0, "s", 0.1), (1, "t", 0.4), (2, "s", 0.5)), ["prob_a", "prob_b"])
    assert found["slide_id"].tolist() == ["s", "t"]
    assert found["prob_b"].tolist() == pytest.approx([0.3, 0.4])
    assert found["models"].tolist() == [2, 1]
