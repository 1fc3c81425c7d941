from __future__ import annotations

import pytest
import torch

from oceanpath.errors import ExperimentError
from oceanpath.fit.device import pick_device


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for available, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda answer=available: answer)
        assert pick_device("auto").type == expected


def test_a_device_that_is_not_here_is_an_experiment_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert pick_device("cuda:0").index == 0
    with pytest.raises(ExperimentError, match=r"no such GPU.*got cuda:1"):
        pick_device("cuda:1")
    with pytest.raises(ExperimentError, match=r"unknown device.*got gpu0"):
        pick_device("gpu0")


def test_a_mac_s_gpu_is_asked_for_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ExperimentError, match=r"Apple GPU.*Use cpu"):
        pick_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("mps").type == "mps"
