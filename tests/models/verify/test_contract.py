"""What every aggregator promises, over the whole registry. A new architecture is held to it by being registered."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.models.base import BaseMIL
from oceanpath.models.registry import aggregator_names, build_aggregator, parse_model
from oceanpath.models.verify import contract, exports
from oceanpath.models.verify.contract import ragged
from oceanpath.models.verify.trial import small

DIM = 12
PRISM: dict[str, Any] = {"name": "perceiver", "hidden": 16, "heads": 2, "latents": 4, "reads": 3, "read_heads": 1}
PRISM |= {"layers": 2, "expand": 1, "gated": True}
EXTRA: list[dict[str, Any]] = [
    {"name": "abmil", "input_norm": "none", "input_dropout": 0.2, "hidden": 16},
    {"name": "abmil", "input_norm": "zscore", "hidden": 16},
    {"name": "perceiver", "positions": "fourier", "hidden": 16, "latents": 3},
    PRISM,
    {"name": "static", "pool": "max", "hidden": 16},
    {"name": "transmil", "input_norm": "none", "hidden": 16, "heads": 2, "layers": 3, "landmarks": 8},
]
CASES = [small(name) for name in aggregator_names()] + EXTRA
SLOW = {"bimamba": {"layers": 1}, "transformer": {}, "transmil": {}}
ALL = os.environ.get("OCEANPATH_AGGREGATORS") == "all"
"""Also those whose export takes many seconds: in ``nox -s bundles``."""
EXPORTED = [
    pytest.param(
        raw | SLOW.get(raw["name"], {}),
        id=f"{raw['name']}-{i}",
    )
    for i, raw in enumerate(CASES)
    if raw.get("layers") != 3 and (ALL or raw["name"] not in SLOW)
]

every = pytest.mark.parametrize("raw", CASES, ids=lambda raw: "-".join(str(v) for v in raw.values() if v != 16))
both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
lengths_lists = st.lists(st.integers(1, 12), min_size=1, max_size=5)


def build(raw: dict[str, Any], dtype: torch.dtype = torch.float32) -> BaseMIL:
    torch.manual_seed(0)
    return build_aggregator(parse_model(raw), DIM).to(dtype).eval()


@every
@both_precisions
@settings(deadline=None, max_examples=10)
@given(lengths=lengths_lists, seed=st.integers(0, 99))
def test_packed_is_padded_is_alone(raw: dict[str, Any], dtype: torch.dtype, lengths: list[int], seed: int) -> None:
    assert not contract.packed_padded_and_single_agree(build(raw, dtype), ragged(lengths, DIM, dtype, seed))


@every
@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 999), n=st.integers(2, 40))
def test_the_order_of_patches_never_matters(raw: dict[str, Any], seed: int, n: int) -> None:
    model = build(raw, torch.float64)
    if model.ordered:
        pytest.skip("this architecture reads its patches in order, and says so")
    assert not contract.order_never_matters(model, ragged([n], DIM, torch.float64, seed))


@every
@settings(deadline=None, max_examples=8)
@given(lengths=lengths_lists)
def test_attention_is_a_distribution_over_the_real_patches(raw: dict[str, Any], lengths: list[int]) -> None:
    assert not contract.attention_is_a_distribution(build(raw), ragged(lengths, DIM))


@every
@pytest.mark.parametrize(
    "check",
    [
        contract.streamed_and_whole_agree,
        contract.checkpointing_keeps_gradients,
        contract.padding_never_matters,
        contract.other_bags_never_matter,
        contract.one_patch_works,
        contract.gradients_are_finite,
        contract.softmax_is_float32,
        contract.half_precision_rows_are_read,
        contract.evaluation_is_repeatable,
        contract.coordinates_are_declared,
        contract.weights_are_restored,
    ],
    ids=lambda check: check.__name__,
)
def test_the_check_holds(raw: dict[str, Any], check: Any) -> None:
    assert not check(build(raw), ragged([5, 7, 1, 9], DIM))


@every
def test_dropout_works_in_training(raw: dict[str, Any]) -> None:
    model, batch = build(raw).train(), ragged([6], DIM)
    assert not torch.equal(model.forward_packed(batch)[0], model.forward_packed(batch)[0])


@pytest.mark.parametrize("raw", EXPORTED)
def test_exported_files_give_the_same_answer_at_every_size(raw: dict[str, Any]) -> None:
    assert not exports.torchscript_is_equal(build(raw))
    assert not exports.onnx_is_equal(build(raw))
