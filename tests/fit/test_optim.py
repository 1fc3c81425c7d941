from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.fit.optim import build_optimizer, build_schedule, rate
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.settings import ABMILSettings


def test_matrices_decay_and_biases_and_norms_do_not() -> None:
    model = WSIClassifier(ABMILSettings(hidden=8, attention=4), 6, ["a", "b"])
    for parameter in model.parameters():
        parameter.data.fill_(1.0)
        parameter.grad = torch.zeros_like(parameter)
    build_optimizer(model, lr=0.1, weight_decay=0.5).step()
    for name, parameter in model.named_parameters():
        expected = 0.95 if parameter.ndim >= 2 else 1.0
        assert parameter.flatten()[0].item() == pytest.approx(expected), name


def test_frozen_parameters_are_left_out() -> None:
    model = torch.nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    assert [len(group["params"]) for group in build_optimizer(model, 0.1, 0.1).param_groups] == [1, 0]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 500), st.integers(0, 600))
def test_the_rate_rises_once_then_falls_and_stays_in_range(total: int, warmup: int) -> None:
    rates = [rate(step, warmup, total) for step in range(total)]
    assert all(0 < value <= 1 for value in rates)
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_the_peak_comes_right_after_the_warm_up_and_the_end_is_low() -> None:
    assert rate(10, 10, 100) == 1.0
    assert rate(99, 10, 100) < 0.001
    assert rate(0, 0, 100) == 1.0
    assert rate(150, 10, 100) == 0.0


def test_the_schedule_moves_every_group() -> None:
    optimizer = build_optimizer(torch.nn.Linear(2, 2), 0.4, 0.1)
    schedule = build_schedule(optimizer, 1, 10)
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.2]
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.4, 0.4]
