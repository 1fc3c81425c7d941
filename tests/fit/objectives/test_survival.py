"""Losses of survival by their formulas, with gradients; a window of bags has the loss and gradient of one batch."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
import torch

from oceanpath.errors import StageError
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.fit.objectives.survival import SurvivalObjective, bin_edges
from oceanpath.fit.objectives.survival_losses import cox_losses, discrete_losses
from oceanpath.tasks.survival import Survival
from oceanpath.torchvision_import import import_torchvision

RANDOM = np.random.default_rng(2)
N = 30
TIME = np.ceil(RANDOM.exponential(6, N))  # with ties
EVENT = RANDOM.random(N) < 0.6
RISK = RANDOM.normal(size=N)
TARGETS = np.where(EVENT, TIME, -TIME)


def partial_likelihood(risk, ties):
    """Negative and per event, by the definition."""
    total = 0.0
    for at in np.unique(TIME[EVENT]):
        tied = np.flatnonzero(EVENT & (at == TIME))
        at_risk, own = np.exp(risk[at <= TIME]).sum(), np.exp(risk[tied]).sum()
        for k in range(len(tied)):
            part = k / len(tied) if ties == "efron" else 0.0
            total += np.log(at_risk - part * own)
        total -= risk[tied].sum()
    return total / EVENT.sum()


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_partial_likelihood_is_its_formula_with_its_gradient(ties):
    risk = torch.tensor(RISK, requires_grad=True)
    losses = cox_losses(risk, torch.tensor(TIME), torch.tensor(EVENT), ties)
    assert losses.mean().item() == pytest.approx(partial_likelihood(RISK, ties), abs=1e-12)
    (gradient,) = torch.autograd.grad(losses.mean(), risk)
    for k in range(0, N, 7):
        step = np.eye(N)[k] * 1e-6
        slope = (partial_likelihood(RISK + step, ties) - partial_likelihood(RISK - step, ties)) / 2e-6
        assert gradient[k].item() == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_extreme_risks_have_finite_losses_and_gradients(ties):
    risk = torch.tensor(np.where(np.arange(N) % 2, 100.0, -100.0), dtype=torch.float32, requires_grad=True)
    loss = cox_losses(risk, torch.tensor(TIME, dtype=torch.float32), torch.tensor(EVENT), ties).mean()
    (gradient,) = torch.autograd.grad(loss, risk)
    assert loss.isfinite() and gradient.isfinite().all()


def test_a_window_of_bags_has_the_loss_and_the_gradient_of_one_batch():
    x = torch.tensor(RANDOM.normal(size=(N, 4)))
    time, event, gradients = torch.tensor(TIME), torch.tensor(EVENT), []
    for size in (N, 1, 7):
        weight = torch.ones(4, dtype=torch.float64, requires_grad=True)
        outputs = [x[start : start + size] @ weight for start in range(0, N, size)]  # each with its own graph
        loss = cox_losses(torch.cat(outputs), time, event, "efron").mean()
        gradients.append(torch.cat([loss.detach()[None], *torch.autograd.grad(loss, weight)]))
    assert torch.allclose(gradients[1], gradients[0], atol=1e-12, rtol=0)
    assert torch.allclose(gradients[2], gradients[0], atol=1e-12, rtol=0)


def test_the_loss_of_one_bag_has_no_gradient_so_a_window_of_one_is_refused():
    risk = torch.tensor([0.3], requires_grad=True)
    loss = cox_losses(risk, torch.tensor([4.0]), torch.tensor([True]), "efron").mean()
    assert torch.autograd.grad(loss, risk)[0].item() == 0.0
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        ObjectiveSettings(task="survival", window=1)


def test_the_likelihood_of_discrete_times_is_its_formula():
    logits = torch.tensor(RANDOM.normal(size=(N, 4)))
    bins = torch.tensor(RANDOM.integers(0, 4, N))
    hazards = 1 / (1 + np.exp(-logits.numpy()))
    expected = []
    for own, k, event in zip(hazards, bins.tolist(), EVENT, strict=True):
        before = np.prod(1 - own[:k])
        expected.append(-np.log(before * own[k] if event else before * (1 - own[k])))
    assert discrete_losses(logits, bins, torch.tensor(EVENT)).numpy() == pytest.approx(np.array(expected), abs=1e-12)
    few = logits[:4].requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: discrete_losses(x, bins[:4], torch.tensor(EVENT[:4])), few)


def test_bins_end_at_quantiles_of_events_and_equal_ends_are_merged():
    assert bin_edges(np.array([1.0, 2, 3, 4, -9]), 4) == (1.75, 2.5, 3.25, 9.0)
    assert bin_edges(np.array([2.0, 2, 2, 2, 5, -7]), 4) == (2.0, 7.0)


def objective(loss, **keys):
    task = Survival("months", [2.0, 5.0, 9.0])
    settings = ObjectiveSettings(task="survival", loss=loss, **keys)
    return SurvivalObjective.for_training(task, settings, TARGETS)


def test_values_of_cox_are_comparable_between_models_and_survive_the_checkpoint():
    outputs = RISK[:, None].astype(np.float32)
    done = objective("cox").completed(outputs, TARGETS)
    shifted = objective("cox").completed(outputs + 3, TARGETS)
    values = done.values(outputs)
    assert shifted.values(outputs + 3) == pytest.approx(values, abs=1e-5)
    assert (np.diff(values[:, 1:], axis=1) <= 0).all() and values[:, 1:].max() <= 1
    assert -np.log(values[:, 3]) == pytest.approx(np.exp(values[:, 0]))  # the risk is the log hazard until 9 months
    again = SurvivalObjective.from_record(done.task, done.record())
    assert np.array_equal(again.values(outputs), values)


def test_survival_is_1_before_the_first_event_of_the_training_rows():
    found = objective("cox")
    found.task.horizons = np.asarray([0.5, 5.0])  # the first event is later than 0.5
    done = found.completed(RISK[:, None], TARGETS)
    assert np.isfinite(done.curves.log_hazard).all()
    values = done.values(np.array([[-3.0], [100.0]]))
    assert (values[:, 1] == 1).all() and (values[:, 2] < 1).all()
    with pytest.raises(StageError, match="until the last horizon"):
        found.task.horizons = np.asarray([0.5])
        found.completed(RISK[:, None], TARGETS)


def test_values_of_discrete_times_are_survival_at_the_ends_of_bins():
    found = objective("nll", time_bins=3)
    found.task.horizons = np.asarray(found.curves.edges)
    outputs = RANDOM.normal(size=(5, len(found.outputs))).astype(np.float32)
    survived = np.cumprod(1 - 1 / (1 + np.exp(-outputs.astype(np.float64))), axis=1)
    assert found.values(outputs)[:, 1:] == pytest.approx(survived, abs=1e-12)
    assert found.values(outputs)[:, 0] == pytest.approx(-survived.sum(axis=1))
    assert SurvivalObjective.from_record(found.task, found.record()).outputs == found.outputs


def test_validation_loss_is_that_of_all_rows_together():
    scores = objective("cox").validation_scores(RISK[:, None], TARGETS)
    assert scores["val_loss"] == pytest.approx(partial_likelihood(RISK, "efron"), abs=1e-12)
    assert 0 <= scores["val_c_index"] <= 1
    with pytest.raises(StageError, match="no validation slide has an event"):
        objective("cox").validation_scores(RISK[:, None], -TIME)


def test_a_window_needs_an_event_and_discrete_times_need_no_window():
    settings = ObjectiveSettings(task="survival", loss="cox", window=4)
    assert objective("cox").window(settings, TARGETS).required == EVENT.tolist()
    few = np.r_[5.0, 7.0, -np.ones(28)]
    with pytest.raises(StageError, match="fewer events than windows"):
        objective("cox").window(settings, few)
    assert objective("nll").window(settings, few) is None


@pytest.mark.filterwarnings("ignore:Ties in")
@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_partial_likelihood_is_that_of_torchsurv(ties):
    with suppress(ModuleNotFoundError):
        import_torchvision()  # torchsurv imports it through torchmetrics
    cox = pytest.importorskip("torchsurv.loss.cox", reason="torchsurv is not installed")
    risk, time, event = torch.tensor(RISK), torch.tensor(TIME), torch.tensor(EVENT)
    expected = cox.neg_partial_log_likelihood(risk, event, time, ties_method=ties, reduction="sum")
    found = cox_losses(risk, time, event, ties).mean() * event.sum()
    assert found.item() == pytest.approx(expected.item(), rel=1e-7)  # its Efron is in float32
