"""A teacher: an exponential moving average of the student's weights, in eval mode and without gradients."""

from __future__ import annotations

import copy
import math
from typing import Generic, Self, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class Teacher(nn.Module, Generic[M]):
    """A copy of a module that follows it. Its dropout rests, also while the student trains."""

    def __init__(self, student: M) -> None:
        super().__init__()
        self.module: M = copy.deepcopy(student).requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002  # torch's signature; a teacher stays in eval mode
        """The teacher stays in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def follow(self, student: M, momentum: float) -> None:
        """Weights become momentum × themselves + (1 - momentum) × the student's; buffers are copied."""
        for own, other in zip(self.module.parameters(), student.parameters(), strict=True):
            own.lerp_(other, 1.0 - momentum)
        for own_buffer, other_buffer in zip(self.module.buffers(), student.buffers(), strict=True):
            own_buffer.copy_(other_buffer)


def momentum_at(step: int, total: int, start: float) -> float:
    """The momentum of optimiser step ``0 … total - 1``: a cosine from `start` at the first to 1 at the last."""
    done = step / max(1, total - 1)
    return 1.0 - (1.0 - start) * (1.0 + math.cos(math.pi * min(1.0, done))) / 2.0
