"""What every aggregator promises, over the whole registry. A new architecture is held to it by being registered."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.models.registry import aggregator_names, build_aggregator, parse_model

DIM = 12
SMALL: dict[str, dict[str, Any]] = {
    "abmil": {"hidden": 16, "attention": 8},
    "bimamba": {"hidden": 16, "state": 4, "head": 8, "chunk": 4},
    "clam_sb": {"hidden": 16, "attention": 8},
    "dsmil": {"hidden": 16, "query": 8},
    "multihead_abmil": {"hidden": 16, "attention": 8, "heads": 2},
    "perceiver": {"hidden": 16, "latents": 4, "heads": 2},
    "static": {"hidden": 16},
    "transformer": {"hidden": 16, "heads": 2},
    "transmil": {"hidden": 16, "heads": 2, "landmarks": 4},
}
EXTRA: list[dict[str, Any]] = [
    {"name": "perceiver", "positions": "fourier", "hidden": 16, "latents": 3},
    {"name": "transmil", "input_norm": "none", "hidden": 16, "heads": 2, "layers": 3, "landmarks": 8},
    {"name": "static", "pool": "max", "hidden": 16},
    {"name": "abmil", "input_norm": "none", "input_dropout": 0.2, "hidden": 16},
]
CASES = [{"name": name} | SMALL.get(name, {}) for name in aggregator_names()] + EXTRA
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}

every = pytest.mark.parametrize("raw", CASES, ids=lambda raw: "-".join(str(v) for v in raw.values() if v != 16))
lengths_lists = st.lists(st.integers(1, 12), min_size=1, max_size=5)


def build(raw: dict[str, Any], dtype: torch.dtype = torch.float32) -> BaseMIL:
    torch.manual_seed(0)
    return build_aggregator(parse_model(raw), DIM).to(dtype).eval()


def ragged(lengths: list[int], dtype: torch.dtype = torch.float32, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    total = sum(lengths)
    features = torch.randn(total, DIM, generator=generator, dtype=torch.float64).to(dtype)
    coords = torch.randint(0, 50_000, (total, 2), generator=generator, dtype=torch.int32)
    return Batch(features, torch.tensor([0, *lengths]).cumsum(0), coords)


def alone(model: BaseMIL, batch: Batch, i: int) -> tuple[Tensor, Tensor | None]:
    start, stop = list(batch.spans())[i]
    return model.forward_features(batch.features[None, start:stop], None, batch.coords[None, start:stop], True)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@settings(deadline=None, max_examples=12)
@given(lengths=lengths_lists, seed=st.integers(0, 99))
@torch.no_grad()
def test_packed_is_padded_is_alone(raw: dict[str, Any], dtype: torch.dtype, lengths: list[int], seed: int) -> None:
    model, batch, close = build(raw, dtype), ragged(lengths, dtype, seed), TOLERANCE[dtype]
    h, mask, coords = batch.padded()
    packed, packed_attention = model.forward_packed(batch, return_attention=True)
    padded, padded_attention = model.forward_features(h, mask, coords, return_attention=True)
    assert packed.shape == padded.shape == (len(lengths), model.embed_dim)
    assert (packed - padded).abs().max() <= close
    assert (packed_attention - padded_attention[mask]).abs().max() <= close
    for i in range(len(lengths)):
        single, attention = alone(model, batch, i)
        assert (single[0] - packed[i]).abs().max() <= close
        assert (attention[0] - padded_attention[i, : lengths[i]]).abs().max() <= close


@every
@pytest.mark.parametrize("garbage", [1e6, float("nan"), float("inf")])
@torch.no_grad()
def test_padding_never_matters(raw: dict[str, Any], garbage: float) -> None:
    model, batch = build(raw), ragged([5, 2, 9])
    h, mask, coords = batch.padded()
    wide = torch.cat([h, h.new_zeros(3, 60, DIM)], dim=1)
    wide_mask = torch.cat([mask, mask.new_zeros(3, 60)], dim=1)
    wide[~wide_mask] = garbage
    wide_coords = torch.cat([coords, coords.new_full((3, 60, 2), -7)], dim=1)
    plain, _ = model.forward_features(h, mask, coords)
    padded, attention = model.forward_features(wide, wide_mask, wide_coords, return_attention=True)
    assert (plain - padded).abs().max() <= 1e-5
    assert not attention[~wide_mask].any()


@every
@torch.no_grad()
def test_other_bags_never_matter(raw: dict[str, Any]) -> None:
    model, batch = build(raw), ragged([5, 7, 3])
    changed = batch.features.clone()
    changed[5:12] = 1e3
    before, _ = model.forward_packed(batch)
    after, _ = model.forward_packed(Batch(changed, batch.offsets, batch.coords))
    assert (before - after)[[0, 2]].abs().max() <= 1e-6
    assert (before - after)[1].abs().max() > 1e-3


@every
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 999))
@torch.no_grad()
def test_the_order_of_patches_never_matters(raw: dict[str, Any], seed: int) -> None:
    model, batch = build(raw, torch.float64), ragged([17], torch.float64, seed)
    if model.ordered:
        pytest.skip("this architecture reads its patches in order, and says so")
    order = torch.randperm(17, generator=torch.Generator().manual_seed(seed))
    plain, attention = model.forward_features(batch.features[None], None, batch.coords[None], True)
    shuffled, moved = model.forward_features(batch.features[None, order], None, batch.coords[None, order], True)
    assert (plain - shuffled).abs().max() <= 1e-10
    assert (attention[0, order] - moved[0]).abs().max() <= 1e-10


@every
@settings(deadline=None, max_examples=12)
@given(lengths=lengths_lists, scale=st.sampled_from([1e-3, 1.0, 1e4]))
@torch.no_grad()
def test_attention_is_a_distribution_over_the_real_patches(
    raw: dict[str, Any], lengths: list[int], scale: float
) -> None:
    model, batch = build(raw), ragged(lengths)
    h, mask, coords = batch.padded()
    _, attention = model.forward_features(h * scale, mask, coords, return_attention=True)
    assert attention.shape == mask.shape
    assert (attention >= 0).all()
    assert not attention[~mask].any()
    assert (attention.sum(dim=1) - 1).abs().max() <= 1e-5


@every
@torch.no_grad()
def test_attention_comes_only_when_asked_for(raw: dict[str, Any]) -> None:
    model, batch = build(raw), ragged([3, 2])
    h, mask, coords = batch.padded()
    assert model.forward_features(h, mask, coords)[1] is None
    assert model.forward_packed(batch)[1] is None


@every
@torch.no_grad()
def test_one_patch_works_and_has_all_the_attention(raw: dict[str, Any]) -> None:
    embedding, attention = build(raw).forward_packed(ragged([1]), return_attention=True)
    assert torch.isfinite(embedding).all()
    assert attention.tolist() == pytest.approx([1.0])


@every
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_gradients_are_finite_in_bfloat16_and_reach_every_parameter(raw: dict[str, Any], scale: float) -> None:
    model, batch = build(raw).train(), ragged([5, 1, 9])
    scaled = Batch(batch.features * scale, batch.offsets, batch.coords)
    with torch.autocast("cpu", torch.bfloat16):
        embedding, attention = model.forward_packed(scaled, return_attention=True)
    assert attention.dtype == torch.float32
    embedding.float().square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@every
@torch.no_grad()
def test_float16_rows_are_read_as_float32(raw: dict[str, Any]) -> None:
    model, batch = build(raw), ragged([4, 6])
    half = Batch(batch.features.half(), batch.offsets, batch.coords)
    wide = Batch(batch.features.half().float(), batch.offsets, batch.coords)
    assert torch.equal(model.forward_packed(half)[0], model.forward_packed(wide)[0])


@every
@torch.no_grad()
def test_dropout_works_in_training_and_rests_in_eval(raw: dict[str, Any]) -> None:
    model, batch = build(raw), ragged([6])
    assert torch.equal(model.forward_packed(batch)[0], model.forward_packed(batch)[0])
    model.train()
    assert not torch.equal(model.forward_packed(batch)[0], model.forward_packed(batch)[0])


@every
@torch.no_grad()
def test_weights_travel_by_state_dict(raw: dict[str, Any]) -> None:
    first, batch = build(raw), ragged([4, 2])
    torch.manual_seed(1)
    second = build_aggregator(parse_model(raw), DIM).eval()
    assert not torch.equal(first.forward_packed(batch)[0], second.forward_packed(batch)[0])
    second.load_state_dict(first.state_dict(), strict=True)
    assert torch.equal(first.forward_packed(batch)[0], second.forward_packed(batch)[0])


@every
def test_one_graph_serves_every_batch_and_bag_size(raw: dict[str, Any]) -> None:
    model = build(raw)
    sizes = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("n", min=1, max=10_000)}
    graph = torch.export.export(_Asked(model), (torch.randn(2, 30, DIM),), dynamic_shapes=(sizes,)).module()
    for batch, n in [(1, 1), (3, 7), (1, 500)]:
        h = torch.randn(batch, n, DIM)
        for ours, exported in zip(_Asked(model)(h), graph(h), strict=True):
            assert (ours - exported).abs().max() <= 1e-6


class _Asked(torch.nn.Module):
    def __init__(self, model: BaseMIL) -> None:
        super().__init__()
        self.model = model

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.model.forward_features(h, return_attention=True)
