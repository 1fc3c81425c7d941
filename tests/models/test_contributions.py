"""Contributions of patches sum to the outputs of the model, or the architecture has none."""

from __future__ import annotations

import pytest
import torch

from oceanpath.models import streaming
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model

ADDITIVE = [
    {"name": "abmil", "hidden": 16, "input_norm": "layer"},
    {"name": "clam_sb"},
    {"name": "multihead_abmil", "hidden": 16, "heads": 3},
    {"name": "clam_mb", "branches": 2},
    {"name": "acmil"},
    {"name": "linear", "input_norm": "layer"},
    {"name": "static", "pool": "mean"},
    {"name": "static", "pool": "max"},
    {"name": "dsmil", "critical": 3},
]


def model_of(settings: dict[str, object], outputs: int) -> WSIClassifier:
    torch.manual_seed(3)
    return WSIClassifier(parse_model(settings), 12, [str(i) for i in range(outputs)]).eval()


@pytest.mark.parametrize("settings", ADDITIVE, ids=lambda settings: "-".join(map(str, settings.values())))
@pytest.mark.parametrize("n", [1, 70])
@torch.inference_mode()
def test_they_sum_to_the_logits(settings: dict[str, object], n: int) -> None:
    for outputs in (1, 3):
        model, rows = model_of(settings, outputs), torch.randn(n, 12).half() * 3
        logits = model(rows.unsqueeze(0))[0]
        found = model.contributions(rows)
        assert found is not None and found.shape == (n, outputs)
        assert torch.allclose(found.sum(dim=0), logits, atol=1e-5)
        if n > 1:
            assert found.std() > 0
            with streaming.limits(above=16, block=8):
                again = model.contributions(rows)
            assert again is not None and torch.allclose(again, found, atol=1e-6)


@torch.inference_mode()
def test_a_patch_of_a_pooled_bag_adds_its_attention_times_its_own_logits() -> None:
    model, rows = model_of({"name": "abmil", "hidden": 16}, 2), torch.randn(9, 12)
    attention = model.output(rows.unsqueeze(0), return_attention=True).extras["attention"][0]
    alone = model(rows.unsqueeze(1))
    found = model.contributions(rows)
    assert found is not None and torch.allclose(found, attention.unsqueeze(1) * alone, atol=1e-6)


@pytest.mark.parametrize("name", ["transmil", "transformer", "perceiver", "mean_mlp", "dtfd", "ilra"])
def test_architectures_that_combine_patches_first_have_none(name: str) -> None:
    assert model_of({"name": name}, 2).contributions(torch.randn(4, 12)) is None
