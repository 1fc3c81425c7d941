"""AdamW without decay of biases and norms; a learning rate with linear warm-up and cosine decay."""

from __future__ import annotations

import math

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR


def build_optimizer(module: nn.Module, lr: float, weight_decay: float) -> AdamW:
    """AdamW (Loshchilov and Hutter 2019); parameters with fewer than two axes are not decayed."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=lr)


def build_schedule(optimizer: AdamW, warmup_steps: int, total_steps: int) -> LambdaLR:
    """The schedule; its ``step()`` is called after every batch, whether or not the optimiser stepped."""
    return LambdaLR(optimizer, lambda step: rate(step, warmup_steps, total_steps))


def rate(step: int, warmup_steps: int, total_steps: int) -> float:
    """Fraction of the peak rate at a step in ``0 … total_steps - 1``: never 0 at the first, nearly 0 at the last."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    done = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
