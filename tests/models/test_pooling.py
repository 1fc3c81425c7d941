from __future__ import annotations

import pytest
import torch

from oceanpath.bags.batch import Batch
from oceanpath.models import streaming
from oceanpath.models.registry import build_aggregator, parse_model
from oceanpath.models.verify.contract import ragged


@pytest.mark.parametrize("name", ["abmil", "clam_sb", "multihead_abmil"])
@torch.no_grad()
def test_streamed_is_packed_and_reads_no_more_than_a_block_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = build_aggregator(parse_model({"name": name, "hidden": 16, "attention": 8}), 12).double().eval()
    rows = ragged([700, 1, 64, 3], 12, torch.float64)
    # scores far apart: a running maximum that moves late must scale back what came before
    batch = Batch(rows.features * torch.linspace(0.1, 30, len(rows.features))[:, None], rows.offsets)
    whole, attention = model.forward_packed(batch, return_attention=True)
    monkeypatch.setattr(streaming, "STREAM_ABOVE", 10)
    monkeypatch.setattr(streaming, "BLOCK", 64)
    seen: list[int] = []
    model.get_submodule("patches").register_forward_hook(lambda module, given, out: seen.append(len(out)))
    streamed, in_blocks = model.forward_packed(batch, return_attention=True)
    assert max(seen) == 64
    torch.testing.assert_close(streamed, whole, atol=1e-12, rtol=0)
    torch.testing.assert_close(in_blocks, attention, atol=1e-12, rtol=0)


def test_training_is_never_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STREAM_ABOVE", 1)
    model = build_aggregator(parse_model({"hidden": 16}), 12)
    monkeypatch.setattr(model, "stream", None)
    model.forward_packed(ragged([5, 6], 12))[0].sum().backward()
    assert model.get_parameter("score.weight").grad is not None
