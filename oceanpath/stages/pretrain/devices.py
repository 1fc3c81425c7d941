"""The device of each process of a training."""

from __future__ import annotations

import torch

from oceanpath.fit.device import pick_device
from oceanpath.stages.pretrain.settings import PretrainSettings


def device_of(settings: PretrainSettings, rank: int) -> torch.device:
    """The device of process `rank`: GPUs in their order; processes without a GPU share the CPU.

    Raises: ExperimentError: this machine has no such device.
    """
    first = pick_device(settings.device)
    if settings.devices == 1 or first.type != "cuda":
        return first
    return pick_device(f"cuda:{(first.index or 0) + rank}")
