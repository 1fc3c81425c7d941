"""The cumulative-link objective: probabilities by their formula, ordered thresholds, and its gradient."""

import numpy as np
import pytest
import torch

from oceanpath.fit.objectives.ordinal import OrdinalObjective
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.stats.confusion import table_metrics
from oceanpath.stats.resample import draw_patients
from oceanpath.tasks.ordinal import Ordinal

TASK = Ordinal(["benign", "low", "high", "very high"])
OUTPUTS = np.random.default_rng(1).normal(size=(40, 3)) * 3
LABELS = np.arange(40) % 4


def test_probabilities_are_differences_of_cumulative_ones():
    steps = np.column_stack([OUTPUTS[:, :1], -np.log1p(np.exp(OUTPUTS[:, 1:]))])
    above = 1 / (1 + np.exp(-np.cumsum(steps, axis=1)))
    expected = -np.diff(np.column_stack([np.ones(40), above, np.zeros(40)]), axis=1)
    values = OrdinalObjective(TASK).values(OUTPUTS)
    assert values == pytest.approx(expected, abs=1e-12)
    assert values.sum(axis=1) == pytest.approx(np.ones(40))


def test_the_loss_is_minus_the_log_probability_with_its_gradient_and_class_weights():
    settings = ObjectiveSettings(task="ordinal", balance="loss")
    plain = OrdinalObjective(TASK)
    weighted = OrdinalObjective.for_training(TASK, settings, np.array([0, 0, 0, 1, 2, 3]))
    outputs, labels = torch.tensor(OUTPUTS, requires_grad=True), torch.tensor(LABELS)
    expected = -np.log(plain.values(OUTPUTS)[np.arange(40), LABELS])
    assert plain.loss(outputs, labels).detach().numpy() == pytest.approx(expected)
    assert weighted.loss(outputs, labels).detach().numpy() == pytest.approx(
        expected * np.array([0.5, 1.5, 1.5, 1.5])[LABELS], rel=1e-6
    )
    assert torch.autograd.gradcheck(lambda x: plain.loss(x, labels[:5]), outputs[:5].detach().requires_grad_(True))


@pytest.mark.parametrize("value", [-100.0, 100.0])
def test_extreme_outputs_have_finite_losses(value):
    outputs = torch.full((4, 3), value)
    assert OrdinalObjective(TASK).loss(outputs, torch.arange(4)).isfinite().all()


def test_metrics_are_quadratic_kappa_the_error_in_grades_and_one_auroc_per_threshold():
    values = OrdinalObjective(TASK).values(OUTPUTS)
    drawn = draw_patients([str(k) for k in range(40)], LABELS, resamples=100)
    found = TASK.evaluate(LABELS, values, drawn)
    decided = values.argmax(axis=1)
    table = np.zeros((1, 4, 4))
    np.add.at(table[0], (LABELS, decided), 1)
    assert found.values["kappa_quadratic"] == pytest.approx(table_metrics(table)["kappa_quadratic"][0])
    assert found.values["mae_grade"] == pytest.approx(np.abs(decided - LABELS).mean())
    above = values[:, 2:].sum(axis=1)
    pairs = np.sign(above[LABELS >= 2][:, None] - above[LABELS < 2]) / 2 + 0.5
    assert found.values["auroc_from_high"] == pytest.approx(pairs.mean())
    estimate = found.estimate("auroc_from_high")
    assert estimate.low is not None and estimate.high is not None and estimate.low <= pairs.mean() <= estimate.high
    assert TASK.compare(LABELS, values, drawn).values["kappa_quadratic"] == found.values["kappa_quadratic"]
    assert TASK.record() == {"task": "ordinal", "classes": ["benign", "low", "high", "very high"]}
