from __future__ import annotations

import pytest
import torch

from oceanpath.models import float32


def test_the_setting_is_put_back() -> None:
    before = torch.get_float32_matmul_precision()
    with pytest.raises(RuntimeError, match="on purpose"), float32.fast_float32():
        raise RuntimeError("on purpose")
    assert torch.get_float32_matmul_precision() == before


def test_products_inside_are_float32() -> None:
    a, b = torch.randn(50, 700), torch.randn(700, 60)
    with float32.fast_float32():
        found = a @ b
    torch.testing.assert_close(found.double(), a.double() @ b.double(), atol=5e-4, rtol=0)


def test_a_processor_with_coarse_products_keeps_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float32, "_is_float32", lambda: False)
    before = torch.get_float32_matmul_precision()
    with float32.fast_float32() as fast:
        assert not fast
        assert torch.get_float32_matmul_precision() == before


def test_a_gpu_keeps_the_plain_way() -> None:
    with float32.fast_float32("cuda") as fast:
        assert not fast


def test_bfloat16_products_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = torch.nn.functional.linear
    monkeypatch.setattr(torch.nn.functional, "linear", lambda a, b: linear(a.bfloat16(), b.bfloat16()).float())
    float32._is_float32.cache_clear()
    try:
        assert not float32._is_float32()
    finally:
        float32._is_float32.cache_clear()
