"""Exported files and models as functions of numpy arrays."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn

from oceanpath.stages.export.runners import THREADS, runner_of, torch_runner
from oceanpath.stages.export.torchscript_file import to_torchscript

FEATURES = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
COORDS = np.ones((1, 4, 2), np.float32)


class Sums(nn.Module):
    """Sums of features, and of coordinates where there are any; with a parameter, as every real model has."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, features: torch.Tensor, coords: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        sums = features.sum(dim=2) * self.scale
        return sums, sums if coords is None else sums + coords.sum(dim=2)


@pytest.mark.parametrize("coords", [False, True])
def test_a_file_and_its_module_give_the_same_arrays(coords: bool) -> None:
    given = COORDS if coords else None
    expected = [FEATURES.sum(axis=2), FEATURES.sum(axis=2) + 2.0 * coords]
    module = Sums().requires_grad_(False).eval()
    for run in (torch_runner(Sums()), runner_of("torchscript", to_torchscript(module, 3, coords=coords))):
        for actual, wanted in zip(run(FEATURES, given), expected, strict=True):
            assert np.array_equal(actual, wanted)


def test_loading_torchscript_gives_no_warning() -> None:
    content = to_torchscript(Sums().requires_grad_(False).eval(), 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner_of("torchscript", content)


class Session:
    """A session of the runtime that returns what it was given."""

    def __init__(self, content: bytes, options: ort.SessionOptions, providers: list[str]) -> None:
        self.content, self.options, self.providers = content, options, providers
        Session.last = self

    last: Any = None

    def run(self, outputs: None, feed: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
        assert outputs is None
        return tuple(feed[name] for name in sorted(feed))


def test_a_session_uses_a_fixed_number_of_threads_of_the_cpu_and_prints_no_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The published differences must not depend on the number of cores of the machine."""
    monkeypatch.setattr(ort, "InferenceSession", Session)
    run = runner_of("onnx", b"model")
    session = Session.last
    assert session.content == b"model" and session.providers == ["CPUExecutionProvider"]
    assert session.options.intra_op_num_threads == THREADS == 2
    assert session.options.log_severity_level == 3
    assert run(FEATURES, None) == [FEATURES]
    assert [array.shape for array in run(FEATURES, COORDS)] == [COORDS.shape, FEATURES.shape]
