"""Time ratios and peak memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from oceanpath.bench.models.device import peak_bytes, ratio

CPU = torch.device("cpu")


def test_a_ratio_is_taken_within_rounds() -> None:
    assert ratio([1.0, 10.0, 3.0], [0.5, 5.0, 1.0]) == 2.0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not report it")
def test_peak_memory_includes_freed_memory() -> None:
    def work() -> None:
        torch.ones(64 << 18)  # 64 MiB

    peak = peak_bytes(work, CPU)
    assert peak is not None
    assert 60 << 20 <= peak <= 100 << 20
