"""Losses of survival times: Cox's partial likelihood, and the likelihood of discrete times."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Ties = Literal["efron", "breslow"]


def cox_losses(risk: Tensor, time: Tensor, event: Tensor, ties: Ties) -> Tensor:
    """Negative log partial likelihood per event, [n], of log hazards [n]: the mean of the rows is that of the events.

    Tied events share a risk set: completely (Breslow 1974), or without the average part of the tied events that
    precede them (Efron 1977).
    """
    order = torch.argsort(time, descending=True, stable=True)
    risk, time, event = risk[order], time[order], event[order]
    groups, sizes = torch.unique_consecutive(time, return_inverse=True, return_counts=True)[1:]
    at_risk = torch.logcumsumexp(risk, dim=0)[torch.cumsum(sizes, 0) - 1][groups]
    terms = risk - at_risk
    if ties == "efron":
        terms = terms - torch.log1p(-_preceding(torch.where(event, terms.exp(), 0.0), event, groups, len(sizes)))
    losses = torch.where(event, -terms, 0.0) * (len(risk) / event.sum().clamp(min=1))
    return torch.zeros_like(losses).index_put((order,), losses)


def _preceding(shares: Tensor, event: Tensor, groups: Tensor, count: int) -> Tensor:
    """Part [n] of the risk set that Efron's method leaves out for each of several tied events.

    `shares` [n] are the shares of the events in their risk set.
    """
    zeros = shares.new_zeros(count)
    tied, events = zeros.index_add(0, groups, shares)[groups], zeros.index_add(0, groups, event.to(shares))[groups]
    before = torch.cumsum(event.to(shares), 0) - event.to(shares)
    first = zeros.scatter_reduce(0, groups, before, "amin", include_self=False)[groups]
    return torch.where(event, (before - first) / events.clamp(min=1) * tied, 0.0)


def discrete_losses(logits: Tensor, bins: Tensor, event: Tensor) -> Tensor:
    """Negative log likelihood [n] of hazards sigmoid(logits [n, K]): an event in bin k, or survival of bin k.

    Zadeh and Schmidt (2020); bins [n] are numbers from 0.
    """
    survived = torch.cumsum(F.logsigmoid(-logits), dim=1)
    own = survived.gather(1, bins[:, None])[:, 0]
    before = own - F.logsigmoid(-logits).gather(1, bins[:, None])[:, 0]
    happened = before + F.logsigmoid(logits).gather(1, bins[:, None])[:, 0]
    return -torch.where(event, happened, own)
