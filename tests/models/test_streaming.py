from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from oceanpath.bags.batch import Batch
from oceanpath.models import attention as attend
from oceanpath.models import streaming
from oceanpath.models.registry import aggregator_names, build_aggregator, parse_model
from oceanpath.models.verify.contract import CLOSE, ragged, streamed_and_whole_agree
from oceanpath.models.verify.trial import small

DIM = 12
HALO = 16
"""Rows that a convolution sees beyond its block."""
WIDTH = 32
TOKENS = {"ilra": 1, "transformer": 3, "transmil": 1}
"""Times `hidden` numbers that are kept of every patch."""
ONE_EACH = 64
"""Bytes of single numbers that may be kept of a patch: its scores, its cell of a grid, its place."""


@pytest.mark.parametrize("name", aggregator_names())
@torch.no_grad()
def test_no_more_than_a_block_of_patches_is_read_at_once(name: str) -> None:
    torch.manual_seed(0)
    model = build_aggregator(parse_model(small(name)), DIM).eval()
    seen: list[int] = []
    model.get_submodule("patches").register_forward_hook(lambda module, given, out: seen.append(out.shape[-2]))
    with streaming.limits(10, 64):
        model.forward_packed(ragged([300, 1, 65], DIM))
    assert 60 < max(seen) <= 64
    assert sum(seen) >= 366


@pytest.mark.parametrize(
    "raw", [{"name": "static", "pool": "max"}, {"name": "perceiver", "positions": "fourier"}], ids=str
)
@torch.no_grad()
def test_options_are_streamed_too(raw: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = build_aggregator(parse_model(raw | {"hidden": 16}), DIM).double().eval()
    assert not streamed_and_whole_agree(model, ragged([70, 1, 9], DIM, torch.float64))


@pytest.mark.parametrize("places", ["square", "grid", "two in a cell"])
@pytest.mark.parametrize("n", [1, 2, 7, 50, 131])
@torch.no_grad()
def test_transmil_streams_the_plane_in_bands(n: int, places: str) -> None:
    torch.manual_seed(0)
    model = build_aggregator(parse_model(small("transmil") | {"layers": 3}), DIM).double().eval()
    across = torch.arange(n) // (2 if places == "two in a cell" else 1)
    coords = torch.stack([across % 5, across // 5], dim=1)[torch.randperm(n)].int() * 256
    rows = torch.randn(n, DIM, dtype=torch.float64)
    bag = Batch(rows, torch.tensor([0, n]), None if places == "square" else coords)
    assert not streamed_and_whole_agree(model, bag)


@torch.no_grad()
def test_blocks_may_be_longer_than_a_convolution() -> None:
    torch.manual_seed(0)
    model = build_aggregator(parse_model(small("transmil")), DIM).double().eval()
    batch = ragged([200], DIM, torch.float64)
    whole, _ = model.forward_packed(batch)
    for rows in (HALO - 1, HALO, HALO + 1, 60):
        with streaming.limits(0, rows):
            torch.testing.assert_close(model.forward_packed(batch)[0], whole, atol=CLOSE[torch.float64], rtol=0)


def most_held(work: Callable[[], object]) -> int:
    """Most bytes of tensors that `work` held at once: exact, where the memory of a process depends on its allocator."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    held = most = 0
    for event in profile.profiler.kineto_results.events():
        held += event.nbytes() if event.name() == "[memory]" else 0
        most = max(most, held)
    return most


def held_by_a_bag(name: str, n: int) -> int:
    torch.manual_seed(0)
    larger = {"hidden": WIDTH} | ({"chunk": 64, "head": 32} if name == "bimamba" else {})
    larger = {} if name == "linear" else larger  # without a hidden layer
    model = build_aggregator(parse_model(small(name) | larger), DIM).eval()
    places = torch.arange(n)
    coords = torch.stack([places % 320, places // 320], dim=1).int() * 256
    bag = Batch(torch.randn(n, DIM), torch.tensor([0, n]), coords)
    return most_held(lambda: model.forward_packed(bag))


@pytest.mark.parametrize("name", [name for name in aggregator_names() if name != "transformer"])
@torch.inference_mode()
def test_memory_above_a_bag_of_100_000_patches_is_bounded(name: str) -> None:
    few, many = held_by_a_bag(name, 20_000), held_by_a_bag(name, 100_000)
    more = 80_000 * (4 * WIDTH * TOKENS.get(name, 0) + ONE_EACH)
    print(f"{name}: {few / 1e6:.1f} MB at 20,000, {many / 1e6:.1f} MB at 100,000, allowed {(few + more) / 1e6:.1f} MB")
    assert many <= few + more


@torch.inference_mode()
def test_a_transformer_holds_tokens_keys_and_values_and_no_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attend, "SCORES", 1 << 18)
    with streaming.limits(0, 512):
        few, many = held_by_a_bag("transformer", 1000), held_by_a_bag("transformer", 9000)
    assert many <= few + 8000 * (4 * WIDTH * TOKENS["transformer"] + ONE_EACH)
