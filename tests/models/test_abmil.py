from __future__ import annotations

import pytest
import torch

from oceanpath.models.abmil import ABMIL
from oceanpath.models.settings import ABMILSettings

from ..narrowing import required

PLAIN = ABMILSettings(input_norm="none", hidden=4, attention=3, dropout=0.5)


@torch.no_grad()
def test_it_is_equation_9_of_ilse_et_al() -> None:
    torch.manual_seed(0)
    model, h = ABMIL(PLAIN, 5).eval(), torch.randn(6, 5)
    linear = model.get_submodule("patches.2")
    assert isinstance(linear, torch.nn.Linear)
    patches = torch.relu(h @ linear.weight.T + linear.bias)
    tanh = torch.tanh(patches @ model.tanh_branch.weight.T + model.tanh_branch.bias)
    gate = torch.sigmoid(patches @ model.sigmoid_branch.weight.T + model.sigmoid_branch.bias)
    scores = (tanh * gate) @ model.score.weight[0]
    weights = torch.exp(scores) / torch.exp(scores).sum()
    embedding, attention = model.forward_features(h[None], return_attention=True)
    torch.testing.assert_close(required(attention)[0], weights)
    torch.testing.assert_close(embedding[0], weights @ patches)


@torch.no_grad()
def test_every_patch_twice_is_the_same_slide() -> None:
    torch.manual_seed(0)
    model, h = ABMIL(PLAIN, 5).double().eval(), torch.randn(1, 6, 5, dtype=torch.float64)
    once, twice = model.forward_features(h)[0], model.forward_features(torch.cat([h, h], 1))[0]
    torch.testing.assert_close(once, twice, atol=1e-12, rtol=0)


def test_dropout_reaches_the_patch_layer() -> None:
    torch.manual_seed(0)
    hidden = ABMIL(ABMILSettings(hidden=1000, dropout=0.5, input_norm="none"), 5).train().patches(torch.ones(1, 5))
    eval_hidden = ABMIL(ABMILSettings(hidden=1000, dropout=0.5, input_norm="none"), 5).eval().patches(torch.ones(1, 5))
    assert (hidden == 0).float().mean() > (eval_hidden == 0).float().mean() + 0.15


def test_layer_norm_makes_the_scale_of_features_irrelevant() -> None:
    torch.manual_seed(0)
    h = torch.randn(1, 6, 32)
    normed = ABMIL(ABMILSettings(hidden=8, input_norm="layer"), 32).eval()
    assert (normed.forward_features(h)[0] - normed.forward_features(h * 1e3)[0]).abs().max().item() == pytest.approx(
        0, abs=1e-4
    )
