"""Deterministic algorithms in a context, and the previous choice afterwards."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from oceanpath.fit.deterministic import deterministic

FILLING: Any = torch.utils.deterministic


@pytest.mark.parametrize("is_deterministic", [False, True])
@pytest.mark.parametrize("filled", [False, True])
def test_the_choice_is_restored_also_after_an_error(is_deterministic: bool, filled: bool) -> None:
    before = torch.are_deterministic_algorithms_enabled(), FILLING.fill_uninitialized_memory
    try:
        torch.use_deterministic_algorithms(is_deterministic)
        FILLING.fill_uninitialized_memory = filled
        with pytest.raises(KeyError), deterministic(torch.device("cpu")):
            assert torch.are_deterministic_algorithms_enabled()
            assert FILLING.fill_uninitialized_memory is False
            raise KeyError
        assert torch.are_deterministic_algorithms_enabled() is is_deterministic
        assert FILLING.fill_uninitialized_memory is filled
    finally:
        torch.use_deterministic_algorithms(before[0])
        FILLING.fill_uninitialized_memory = before[1]


def test_the_workspace_of_cublas_is_set_for_a_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "CUBLAS_WORKSPACE_CONFIG"
    monkeypatch.delenv(name, raising=False)
    with deterministic(torch.device("cpu")):
        assert name not in os.environ
    with deterministic(torch.device("cuda")):
        assert os.environ[name] == ":4096:8"
    monkeypatch.setenv(name, ":16:8")
    with deterministic(torch.device("cuda")):
        assert os.environ[name] == ":16:8"
