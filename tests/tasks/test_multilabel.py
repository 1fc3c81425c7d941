"""Several binary labels: reading, checks, strata, loss and decisions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from oceanpath.artifacts.cohort.checks import LabelCells
from oceanpath.errors import StageError
from oceanpath.fit.objectives.multilabel import MultilabelObjective
from oceanpath.fit.objectives.settings import ObjectiveSettings
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


def test_validation_scores_and_thresholds_leave_out_unknown_labels() -> None:
    targets, values = np.array([[1, np.nan], [0, np.nan], [np.nan, 1]]), np.array([[0.9, 0.5], [0.2, 0.1], [0.1, 0.8]])
    scores = task().validation_scores(values, targets)
    assert scores["val_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.8]).mean()) and scores["val_auroc"] == 1
    facts = task().decision_facts(values, targets)
    assert facts == {"label_thresholds": {"egfr": pytest.approx(0.55), "kras": None}}
    first, second = task().cutoffs([facts, facts])
    assert first.value == pytest.approx(0.55) and second.value is None and "no member" in second.reason


def test_a_label_with_one_value_cannot_be_trained() -> None:
    with pytest.raises(StageError, match="one value only; got kras"):
        task().validate_training(np.array([[1, 0], [0, 0], [1, np.nan]]), "fold 1")
