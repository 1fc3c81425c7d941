from __future__ import annotations

import torch

from oceanpath.bags.batch import Batch
from oceanpath.models.classifier import LOGIT_BOUND, WSIClassifier
from oceanpath.models.settings import ABMILSettings

SMALL = ABMILSettings(hidden=8, attention=4)


def build() -> WSIClassifier:
    torch.manual_seed(0)
    return WSIClassifier(SMALL, 6, ["a", "b", "c"]).eval()


@torch.no_grad()
def test_forward_output_and_packed_agree() -> None:
    model = build()
    batch = Batch(torch.randn(9, 6), torch.tensor([0, 2, 9]))
    h, mask, _ = batch.padded()
    packed, padded = model.output_packed(batch, return_attention=True), model.output(h, mask, return_attention=True)
    assert packed.logits.shape == (2, 3)
    assert packed.slide_embedding.shape == (2, 8)
    torch.testing.assert_close(packed.logits, padded.logits)
    torch.testing.assert_close(model(h, mask), padded.logits)
    torch.testing.assert_close(packed.extras["attention"], padded.extras["attention"][mask])


@torch.no_grad()
def test_extras_are_empty_unless_asked_for() -> None:
    assert build().output(torch.randn(1, 3, 6)).extras == {}


@torch.no_grad()
def test_logits_are_float32_and_bounded_under_autocast() -> None:
    model = build()
    model.head.weight.mul_(1e6)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(torch.randn(4, 3, 6))
    assert logits.dtype == torch.float32
    assert logits.abs().max() == LOGIT_BOUND


@torch.no_grad()
def test_a_float64_model_answers_in_float64() -> None:
    assert build().double()(torch.randn(1, 3, 6)).dtype == torch.float64
