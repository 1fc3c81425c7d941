from __future__ import annotations

from typing import Any

import pytest
import torch

from oceanpath.errors import ExperimentError
from oceanpath.models.attention import FeedForward
from oceanpath.models.base import BaseMIL
from oceanpath.models.perceiver import Perceiver
from oceanpath.models.registry import build_aggregator, parse_model
from oceanpath.models.verify.contract import packed_padded_and_single_agree, ragged, streamed_and_whole_agree

DIM = 5


def build(**more: Any) -> BaseMIL:
    torch.manual_seed(0)
    small = {"name": "perceiver", "hidden": 16, "heads": 2, "latents": 3, "layers": 2}
    return build_aggregator(parse_model(small | more), DIM).double().eval()


def size(model: BaseMIL) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_reads_after_the_second_bring_no_parameters_when_they_share_them() -> None:
    one, two, nine = (size(build(reads=reads)) for reads in (1, 2, 9))
    assert one < two == nine
    alone = size(build(reads=3, shared=False))
    assert alone - size(build(reads=2, shared=False)) == size(build(reads=2, shared=False)) - one > two - one


@pytest.mark.parametrize("shared", [True, False])
@torch.no_grad()
def test_every_read_and_every_run_of_blocks_counts(shared: bool) -> None:
    model, batch = build(reads=3, shared=shared), ragged([6, 2], DIM, torch.float64)
    before, _ = model.forward_packed(batch)
    for name, parameter in model.named_parameters():
        kept = parameter.clone()
        parameter.add_(torch.randn_like(parameter))
        assert not torch.allclose(model.forward_packed(batch)[0], before), name
        parameter.copy_(kept)


@pytest.mark.parametrize("more", [{"positions": "fourier"}, {"shared": False}, {"read_heads": 4}], ids=str)
def test_several_reads_keep_the_laws(more: dict[str, Any]) -> None:
    model, batch = build(reads=3, gated=True, expand=1, **more), ragged([9, 1, 20], DIM, torch.float64)
    assert not packed_padded_and_single_agree(model, batch)
    assert not streamed_and_whole_agree(model, batch)


@torch.no_grad()
def test_one_read_of_one_block_is_the_formula() -> None:
    model, h = build(layers=1, latents=1, heads=1), torch.randn(1, 7, DIM, dtype=torch.float64)
    assert isinstance(model, Perceiver)
    embedding, attention = model.forward_features(h, return_attention=True)
    hidden = model.patches(h)
    k, v = model.keys_values(hidden).chunk(2, dim=-1)
    weights = torch.softmax(model.query(model.latents) @ k.mT / 4.0, dim=-1)
    x = model.latents + model.out(weights @ v)
    x = model.blocks[0](x + model.ffn(x))
    torch.testing.assert_close(embedding, model.norm(x)[:, 0])
    torch.testing.assert_close(attention, weights[:, 0])


@torch.no_grad()
def test_a_gated_layer_is_linear_times_gelu() -> None:
    torch.manual_seed(0)
    layer, x = FeedForward(4, 0.5, expand=3, gated=True).eval(), torch.randn(2, 4)
    value, gate = layer[1](layer[0](x)).split(12, dim=-1)
    torch.testing.assert_close(layer(x), layer[4](value * torch.nn.functional.gelu(gate)))


def test_read_heads_share_the_width_evenly() -> None:
    with pytest.raises(ExperimentError, match="multiple of read_heads"):
        parse_model({"name": "perceiver", "hidden": 16, "read_heads": 3})
