"""Several binary labels: reading, checks, strata, loss and decisions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from oceanpath.artifacts.cohort.checks import LabelCells
from oceanpath.errors import StageError
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.fit.objectives.multilabel import MultilabelObjective
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.pipeline.stage import ParentSources
from oceanpath.stages.train.preflight import preflight
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stats.resample import draw_patients
from oceanpath.tasks.multilabel import Multilabel
from oceanpath.tasks.registry import make_task, read_task

NAMES = ("egfr", "kras")


def cells(**columns: list[str]) -> LabelCells:
    return LabelCells(Path("cohort.csv"), columns, {name: name for name in columns}, lambda rows: f"row {rows[0]}")


def task(positive: str = "") -> Multilabel:
    made = make_task("multilabel", {"targets": NAMES, "positive": positive})
    assert isinstance(made, Multilabel)
    return made


def test_cells_become_one_label_per_slide_with_unknown_parts() -> None:
    labels, problems = task().read_labels(cells(egfr=["1", "0.0", "", ""], kras=["0", "", "1", ""]))
    assert not problems and labels == ["1;0", "0;?", "?;1", ""]
    assert [task().is_valid(label) for label in [*labels, "1", "1;2", "?;?"]] == [True] * 3 + [False] * 4
    expected = np.array([[1, 0], [0, np.nan], [np.nan, 1]])
    assert np.array_equal(task().targets(labels[:3]), expected, equal_nan=True)
    assert task().cohort_notes(labels[:3])[0] == "egfr: 1 present, 1 absent, 1 unknown"
    assert read_task(task().record(), "here").record() == task().record()


@pytest.mark.parametrize(
    ("column", "positive", "message"),
    [
        (["yes", "no", "yes"], "", "not coded by 1 and 0"),
        (["1", "2", "1"], "", "not coded by 1 and 0"),
        (["yes", "no", "maybe"], "yes", "more than two values"),
        (["1", "1", ""], "", "all known labels of a target are the same"),
        (["no", "maybe", "no"], "yes", "more than two values"),
        (["", "", ""], "", "all known labels of a target are the same"),
    ],
)
def test_columns_that_are_not_binary_are_refused(column: list[str], positive: str, message: str) -> None:
    other = ["yes", "no", "no"] if positive else ["1", "0", "1"]
    _, problems = task(positive).read_labels(cells(egfr=column, kras=other))
    assert [message in problem.render() and "column egfr" in problem.render() for problem in problems] == [True]


def test_another_coding_is_read_with_its_positive_value() -> None:
    labels, problems = task("mut").read_labels(cells(egfr=["mut", "wt"], kras=["wt", "mut"]))
    assert not problems and labels == ["1;0", "0;1"]


def test_strata_are_frequent_combinations() -> None:
    labels = ["1;0"] * 30 + ["0;0"] * 25 + ["1;1"] * 15 + ["?;1"] * 6
    strata = task().strata(labels)
    assert strata.names == ("egfr- kras-", "egfr+ kras-", "other combinations")
    assert np.bincount(strata.rows).tolist() == [25, 30, 21]
    assert task().strata(labels[:60]).names == ("egfr- kras-", "egfr+ kras-")
    assert np.bincount(task().strata(labels[:60]).rows).tolist() == [25, 35]
    assert task().strata(["1;0", "0;1"]).names == ("other combinations",)


def test_the_loss_is_that_of_the_known_labels() -> None:
    targets = np.array([[1, 0], [0, np.nan], [1, 1]])
    settings = ObjectiveSettings.model_validate({"task": "multilabel"})
    objective = MultilabelObjective.for_training(task(), settings, targets)
    outputs = torch.tensor([[0.3, -2.0], [1.0, 50.0], [-1.0, 0.5]], requires_grad=True)
    losses = objective.loss(outputs, torch.tensor(targets.tolist()))
    one = F.binary_cross_entropy_with_logits(outputs[1, :1], torch.zeros(1)) / 2
    both = F.binary_cross_entropy_with_logits(outputs[0], torch.tensor([1.0, 0.0]))
    assert losses[1].item() == pytest.approx(one.item()) and losses[0].item() == pytest.approx(both.item())
    losses.sum().backward()
    assert outputs.grad is not None and outputs.grad[1, 1] == 0 and (outputs.grad[[0, 2]] != 0).all()
    assert objective.initial_bias(settings, targets) == pytest.approx([np.log(3 / 2), 0])


def test_balanced_losses_have_equal_sums_of_weights() -> None:
    targets = np.array([[1, 0], [0, 0], [0, np.nan], [0, 1]], np.float64)
    settings = ObjectiveSettings.model_validate({"task": "multilabel", "balance": "loss"})
    objective = MultilabelObjective.for_training(task(), settings, targets)
    losses = 2 * objective.loss(torch.zeros(4, 2), torch.tensor(targets.tolist())) / np.log(2)
    assert losses.tolist() == pytest.approx([2 + 0.75, 2 / 3 + 0.75, 2 / 3, 2 / 3 + 1.5])


@pytest.mark.parametrize("balance", ["none", "loss"])
def test_weights_of_labels_have_mean_one_and_multiply_those_of_their_values(balance: str) -> None:
    targets = np.array([[1, 0], [0, 0], [0, np.nan], [0, 1]], np.float64)
    outputs = torch.tensor([[0.3, -2.0], [1.0, 50.0], [-1.0, 0.5], [0.2, 0.1]])
    losses = {}
    for weights in ({}, {"kras": 3.0}, {"egfr": 2.0, "kras": 2.0}):
        keys = {"task": "multilabel", "balance": balance, "target_weights": weights}
        objective = MultilabelObjective.for_training(task(), ObjectiveSettings.model_validate(keys), targets)
        parts = [np.where(np.arange(2) == k, targets, np.nan) for k in range(2)]
        losses[len(weights)] = [objective.loss(outputs, torch.from_numpy(part)).sum().item() for part in parts]
    assert losses[1] == pytest.approx([losses[0][0] * 0.5, losses[0][1] * 1.5])
    assert losses[2] == pytest.approx(losses[0])


def test_weights_are_those_of_known_labels_of_this_task() -> None:
    settings = TrainSettings.model_validate(
        {"task": "multilabel", "targets": NAMES, "target_weights": {"egrf": 2, "kras": 3}}
    )
    (problem,) = preflight(settings, ParentSources()).problems
    assert "[train] target_weights" in problem.render() and "egrf: did you mean 'egfr'?" in problem.render()
    assert not preflight(settings.model_copy(update={"target_weights": {"kras": 3}}), ParentSources()).problems
    for wrong in ({"task": "multilabel", "target_weights": {"kras": 0}}, {"target_weights": {"kras": 2}}):
        with pytest.raises(ValidationError):
            TrainSettings.model_validate(wrong)
    assert "target_weights" not in TrainSettings.model_validate({"task": "multilabel"}).identity()


def test_validation_scores_and_thresholds_leave_out_unknown_labels() -> None:
    targets, values = np.array([[1, np.nan], [0, np.nan], [np.nan, 1]]), np.array([[0.9, 0.5], [0.2, 0.1], [0.1, 0.8]])
    scores = task().validation_scores(values, targets)
    assert scores["val_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.8]).mean()) and scores["val_auroc"] == 1
    facts = task().decision_facts(values, targets)
    assert facts == {"label_thresholds": {"egfr": pytest.approx(0.55), "kras": None}}
    first, second = task().cutoffs([facts, facts])
    assert first.value == pytest.approx(0.55) and second.value is None and "no member" in second.reason


def test_each_label_is_decided_at_the_thresholds_of_its_folds() -> None:
    facts = [task().facts_of({"label_thresholds": {"egfr": own, "kras": None}}) for own in (0.3, 0.7)]
    rule = task().decision_rule(facts)
    assert rule is not None and rule.thresholds == [
        {"prob_egfr": 0.3, "prob_kras": None},
        {"prob_egfr": 0.7, "prob_kras": None},
    ]
    targets = np.array([[1, 1], [0, 0], [1, 1], [1, 0], [0, np.nan], [np.nan, 1]])
    values = np.array([[0.4, 0.5], [0.4, 0.5], [0.69, 0.5], [0.7, 0.5], [0.4, 0.5], [0.9, 0.5]])
    drawn = draw_patients([str(number) for number in range(6)], np.zeros(6, np.int64), resamples=100)
    found = task().evaluate_decisions(rule, (targets, values, np.array([0, 0, 1, 1, 1, 1])), drawn, 0.95)
    assert found["sensitivity_egfr"].value == pytest.approx(2 / 3) and found["specificity_egfr"].value == 0.5
    assert found["sensitivity_egfr"].n == 5 and found["sensitivity_kras"].value is None
    assert "kras" not in found["sensitivity_kras"].reason and "no threshold" in found["sensitivity_kras"].reason
    assert task().decision_rule([task().facts_of({})]) is None


@pytest.mark.parametrize(("second", "mean"), [(0.7, 0.5), (None, None)])
def test_an_ensemble_decides_at_the_mean_threshold_of_each_label(second: float | None, mean: float | None) -> None:
    per_fold = [{"label_thresholds": {"egfr": own, "kras": 0.25}} for own in (0.3, second)]
    results = {**task().record(), "folds": 2, "per_fold": per_fold}
    plan = [{"repeat": 0, "ensemble": 0, "name": ""}] * 2
    frame = pd.DataFrame({"fold": [0]})
    rows = ReportedRows(frame, task(), np.zeros((1, 2)), np.zeros((1, 2)), {**results, "plan": plan}, frame)
    assert [fold["threshold_egfr"] for fold in rows.fold_facts] == [mean, mean]
    assert [fold["threshold_kras"] for fold in rows.fold_facts] == [0.25, 0.25]


def test_a_label_with_one_value_cannot_be_trained() -> None:
    with pytest.raises(StageError, match="one value only; got kras"):
        task().validate_training(np.array([[1, 0], [0, 0], [1, np.nan]]), "fold 1")
