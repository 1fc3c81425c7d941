"""The device of computations."""

from __future__ import annotations

import torch

from oceanpath.errors import ExperimentError


def pick_device(name: str = "auto") -> torch.device:
    """``auto``: the first GPU if there is one, otherwise the CPU; or a name of torch: ``cpu``, ``cuda:1``, ``mps``.

    Raises: ExperimentError: this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ExperimentError(
            "unknown device", where="[runtime] device", got=name, expected="auto, cpu, cuda"
        ) from error
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ExperimentError(
            "torch cannot use the Apple GPU of this machine", where="[runtime] device", got=name, do="Use cpu."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ExperimentError("this machine has no such GPU", where="[runtime] device", got=name, do="Use auto or cpu.")
    return device
