from __future__ import annotations

import math

import pytest
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.fit.attention_entropy import attention_entropy
from oceanpath.fit.settings import FitSettings
from oceanpath.models.base import MILOutput
from oceanpath.pipeline.stage import ParentSources
from oceanpath.stages.train.preflight import preflight
from oceanpath.stages.train.settings import TrainSettings

from .test_trainer import QUICK, fit, module_of


def test_entropy_of_bags() -> None:
    batch = Batch(torch.zeros(7, 2), torch.tensor([0, 4, 5, 7]))
    attention = torch.tensor([0.25, 0.25, 0.25, 0.25, 1.0, 1.0, 0.0], requires_grad=True)
    entropy = attention_entropy(batch, MILOutput(torch.zeros(3, 1), torch.zeros(3, 2), {"attention": attention}))
    torch.testing.assert_close(entropy, torch.tensor([math.log(4), 0.0, 0.0]))
    (gradient,) = torch.autograd.grad(entropy.sum(), attention)
    assert gradient.isfinite().all()


def test_training_with_it_spreads_the_attention(store: Store) -> None:
    entropies = []
    for weight in (0.0, 10.0):
        training = module_of(store, QUICK.model_copy(update={"attention_entropy": weight, "lr": 0.1}))
        fit(training)
        rows = torch.tensor(store.features(0), dtype=torch.float32)
        batch = Batch(rows, torch.tensor([0, len(rows)]))
        output = training.model.eval().output_packed(batch, return_attention=True)
        entropies.append(attention_entropy(batch, output).item())
    assert entropies[1] > entropies[0]


@pytest.mark.parametrize(("name", "refused"), [("abmil", False), ("mean_mlp", True), ("static", True)])
def test_an_architecture_without_attention_refuses_it(name: str, refused: bool) -> None:
    settings = TrainSettings.model_validate({"model": {"name": name}, "attention_entropy": 0.1})
    problems = preflight(settings, ParentSources()).problems
    assert [("no learned attention" in str(one)) for one in problems] == [True] * refused
    assert FitSettings().attention_entropy == 0.0
