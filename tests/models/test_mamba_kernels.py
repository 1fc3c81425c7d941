"""The path of mamba-ssm, held to its published call by a stand-in that computes the plain recurrence on the CPU."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from oceanpath.errors import MissingExtraError
from oceanpath.models import mamba_kernels
from oceanpath.models.mamba2 import Mamba2
from oceanpath.models.registry import build_aggregator, parse_model
from oceanpath.models.settings import BiMambaSettings
from oceanpath.models.verify.contract import ragged, streamed_and_whole_agree

SMALL = {"hidden": 16, "head": 8, "state": 4, "chunk": 24}
Calls = list[dict[str, Any]]


def as_published(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    seq_idx: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, float("inf")),
    return_final_states: bool = False,
    return_varlen_states: bool = False,
) -> Any:
    """Names, order and layouts of mamba-ssm 2; the recurrence one token after the other."""
    batch, length, heads, width = x.shape
    assert dt.shape == (batch, length, heads)
    assert A.shape == (heads,)
    assert B.shape == C.shape == (batch, length, 1, B.shape[3])
    assert all(part.is_contiguous() for part in (x, dt, B, C))
    assert {part.dtype for part in (x, dt, A, B, C)} == {torch.float32}
    assert chunk_size >= 16
    assert chunk_size & (chunk_size - 1) == 0
    assert (dt > 0).all()
    assert (A < 0).all()
    state = torch.zeros(batch, heads, width, B.shape[3]) if initial_states is None else initial_states
    assert state.shape == (batch, heads, width, B.shape[3])
    outputs = []
    for t in range(length):
        decay = torch.exp(dt[:, t] * A)[..., None, None]
        state = decay * state + (dt[:, t, :, None] * x[:, t])[..., None] * B[:, t, 0, None, None, :]
        outputs.append((state * C[:, t, 0, None, None, :]).sum(-1))
    y = torch.stack(outputs, dim=1)
    return (y, state) if return_final_states else y


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The stand-in is installed, and every tensor counts as one on CUDA; how it was called."""
    seen: Calls = []

    def remember(*args: Any, **kwargs: Any) -> Any:
        seen.append(inspect.signature(as_published).bind(*args, **kwargs).arguments)
        return as_published(*args, **kwargs)

    for name in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton", "mamba_ssm.ops.triton.ssd_combined"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    vars(sys.modules["mamba_ssm.ops.triton.ssd_combined"])["mamba_chunk_scan_combined"] = remember
    monkeypatch.setattr(mamba_kernels, "_on_cuda", lambda x: True)
    return seen


def both(work: Callable[[Any], Tensor], model: Any) -> tuple[Tensor, Tensor]:
    answers = []
    for kernels in ("torch", "auto"):
        for part in model.modules():
            if isinstance(part, Mamba2):
                part.kernels = kernels
        answers.append(work(model))
    return answers[0], answers[1]


def test_the_kernels_give_the_answer_and_the_gradients_of_plain_torch(calls: Calls) -> None:
    torch.manual_seed(0)
    layer = Mamba2(BiMambaSettings.model_validate(SMALL))
    h = torch.randn(2, 37, 16)

    def answer(model: Mamba2) -> Tensor:
        model.zero_grad()
        y = model(h)
        y.square().mean().backward()
        return torch.cat([y.detach().flatten(), *[p.grad.flatten() for p in model.parameters() if p.grad is not None]])

    plain, kernels = both(answer, layer)
    assert len(calls) == 1
    assert calls[0]["chunk_size"] == 32
    torch.testing.assert_close(kernels, plain, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_one_state_dict_serves_both_and_long_bags_are_streamed_by_the_kernels_too(calls: Calls) -> None:
    torch.manual_seed(0)
    model = build_aggregator(parse_model({"name": "bimamba", **SMALL}), 12).eval()
    other = build_aggregator(parse_model({"name": "bimamba", "kernels": "torch", **SMALL}), 12).eval()
    other.load_state_dict(model.state_dict(), strict=True)
    batch = ragged([9, 1, 14], 12)
    torch.testing.assert_close(model.forward_packed(batch)[0], other.forward_packed(batch)[0], atol=1e-4, rtol=0)
    assert calls
    assert not streamed_and_whole_agree(model, batch)
    assert any(call.get("initial_states") is not None for call in calls)


def test_autocast_keeps_the_scan_float32(calls: Calls) -> None:
    layer = Mamba2(BiMambaSettings.model_validate(SMALL))
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.randn(1, 5, 16)).float().sum().backward()
    assert len(calls) == 1  # and it asserts float32


def test_float64_and_other_devices_are_plain_torch(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Mamba2(BiMambaSettings.model_validate(SMALL | {"kernels": "mamba_ssm"}))
    layer.double()(torch.randn(1, 5, 16, dtype=torch.float64))
    monkeypatch.setattr(mamba_kernels, "_on_cuda", lambda x: x.is_cuda)
    layer.float()(torch.randn(1, 5, 16))
    assert calls == []


def test_kernels_that_are_asked_for_and_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mamba_kernels, "_on_cuda", lambda x: True)
    monkeypatch.setattr(mamba_kernels, "find_spec", lambda name: None)
    assert not mamba_kernels.are_used("auto", torch.zeros(1))
    with pytest.raises(MissingExtraError, match=r"kernels of mamba-ssm are not installed.*oceanpath\[mamba\]"):
        mamba_kernels.are_used("mamba_ssm", torch.zeros(1))
