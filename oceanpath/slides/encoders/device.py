"""Where a network runs and what it computes in."""

from __future__ import annotations

import torch

from oceanpath.errors import ExperimentError


def place(device: str) -> torch.device:
    """The device ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``; auto takes a GPU where there is one.

    Raises: ExperimentError: there is no such device.
    """
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        found = torch.device(name)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        said = str(error).splitlines()[0]
        raise ExperimentError("no such device", where="runtime.device", got=f"{device} ({said})") from error
    return found


def compute_dtype(device: torch.device, precision: str) -> torch.dtype:
    """What a network computes in: `precision`, where ``auto`` is bfloat16 if the device is fast at it, else float32."""
    if precision == "auto":
        return torch.bfloat16 if fast_bfloat16(device) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 here; CPUs without the instructions only imitate it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cpu" and bool(native)
