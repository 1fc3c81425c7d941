"""AdamW without decay of biases and norms; rates for the aggregator and the head; the schedule of pretraining."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from oceanpath.fit.schedules import cosine


def build_optimizer(
    module: nn.Module, lr: float, weight_decay: float, rates: dict[str, float] | None = None, *, fused: bool = False
) -> AdamW:
    """AdamW (Loshchilov and Hutter 2019); parameters with fewer than two axes are not decayed.

    Args:
        module: Parameters that require no gradient are left out.
        lr: Peak learning rate.
        weight_decay: Of the decayed parameters.
        rates: Peak learning rates of submodules by name, instead of `lr`.
        fused: One pass over all parameters: faster, with other last bits.
    """
    rates = rates or {}
    of_module: dict[str, list[nn.Parameter]] = {name: [] for name in ("", *rates)}
    for name, parameter in module.named_parameters():
        first = name.partition(".")[0]
        of_module[first if first in rates else ""] += [parameter] if parameter.requires_grad else []
    groups = [
        {"params": [p for p in parameters if (p.ndim >= 2) is decays], "weight_decay": weight_decay if decays else 0.0}
        | {"lr": rates.get(name, lr)}
        for name, parameters in of_module.items()
        for decays in (True, False)
    ]
    optimizer = AdamW(groups, lr=lr, fused=fused)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def set_rates(optimizer: AdamW, factor: float) -> None:
    """Set the rate of every group to `factor` times its peak."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["initial_lr"]


def averaged(model: nn.Module, decay: float) -> AveragedModel | None:
    """The exponential moving average of the weights of a model, from its first step; None for a decay of 0."""
    if decay == 0.0:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]  # in torch


def build_schedule(optimizer: AdamW, warmup_steps: int, total_steps: int) -> LambdaLR:
    """The schedule; its ``step()`` is called after every batch, whether or not the optimiser stepped."""
    return LambdaLR(optimizer, lambda step: rate(step, warmup_steps, total_steps))


def rate(step: int, warmup_steps: int, total_steps: int) -> float:
    """Fraction of the peak rate at a step in ``0 … total_steps - 1``: never 0 at the first, nearly 0 at the last."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return cosine((step - warmup_steps) / max(1, total_steps - warmup_steps))
