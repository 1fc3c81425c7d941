"""Device and precision of a network."""

from __future__ import annotations

import torch

from oceanpath.errors import ExperimentError


def resolve_device(device: str) -> torch.device:
    """The device ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``; auto selects a GPU if there is one.

    Raises: ExperimentError: there is no such device.
    """
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        resolved = torch.device(name)
        torch.empty(1, device=resolved)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        message = str(error).splitlines()[0]
        raise ExperimentError("no such device", where="runtime.device", got=f"{device} ({message})") from error
    return resolved


def compute_dtype(device: torch.device, precision: str) -> torch.dtype:
    """The dtype for `precision`; ``auto`` is bfloat16 if the device supports it natively, otherwise float32."""
    if precision == "auto":
        return torch.bfloat16 if fast_bfloat16(device) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32; CPUs without the instructions emulate it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cpu" and bool(native)
