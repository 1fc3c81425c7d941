"""Losses in float32 under autocast."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import torch
from torch import Tensor

from oceanpath.models.patches import widen

P = ParamSpec("P")


def full_precision(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """A loss whose half-precision inputs are converted to float32 and whose products are not autocast."""

    @wraps(loss)
    def computed(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        wide = [widen(value) if isinstance(value, Tensor) and value.is_floating_point() else value for value in args]
        device = next(value.device.type for value in args if isinstance(value, Tensor))
        with torch.autocast(device, enabled=False):
            return loss(*wide, **kwargs)  # type: ignore[arg-type]  # the same arguments with wider tensors

    return computed
