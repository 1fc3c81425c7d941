"""One training in several processes.

Each process computes the embeddings of its share of the bags of a batch. The processes exchange the embeddings, so that
heads, losses, batch statistics and centres are those of the whole batch in every process, and average the gradients.
N processes therefore compute what one process computes, up to rounding. Values are exchanged through the memory of the
CPU by gloo, whatever the device of the computation: they are a few megabytes per step.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as group
from torch import Tensor, nn

from oceanpath.bags.batch import Batch

T = TypeVar("T")


class Share(NamedTuple):
    """Which bags of each batch one process computes."""

    rank: int = 0
    processes: int = 1

    @property
    def rows(self) -> slice:
        """Every N-th bag, so that the sizes of all shares are similar in batches that are sorted by length."""
        return slice(self.rank, None, self.processes)

    def of(self, bags: Sequence[T]) -> Sequence[T]:
        """The bags of this process."""
        return bags[self.rows]

    def part(self, view: Batch, bags: int) -> Batch:
        """A view of the bags of this process as a part of a batch of `bags`."""
        return view if self.processes == 1 else Part(**vars(view), share=self, bags=bags)


WHOLE = Share()
"""One process computes all bags."""


@dataclass(frozen=True)
class Part(Batch):
    """The bags of one process."""

    share: Share = WHOLE
    bags: int = 0
    """Number of bags of the whole batch."""


def gathered(values: Tensor, view: Batch) -> Tensor:
    """Values [B, …] of all bags of the batch from those of the bags of this view; unchanged for a whole batch."""
    if not isinstance(view, Part):
        return values
    whole: Tensor = _Gathered.apply(values, view.share, view.bags)  # type: ignore[no-untyped-call]  # untyped in torch
    return whole


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, share: Share, bags: int) -> Tensor:
        ctx.share = share
        wide = values.float() if values.is_floating_point() and values.itemsize < 4 else values
        whole = torch.zeros(bags, *values.shape[1:], dtype=wide.dtype)
        whole[share.rows] = wide.cpu()
        group.all_reduce(whole)
        return whole.to(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The gradient is the same in all processes; times their number, because it is averaged over them."""
        return gradients[0][ctx.share.rows] * ctx.share.processes, None, None


def average_gradients(module: nn.Module, share: Share) -> None:
    """Replace the gradients of all parameters by their means over the processes."""
    if share.processes == 1:
        return
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    joined = torch.cat([gradient.flatten().cpu() for gradient in gradients])
    group.all_reduce(joined)
    parts = torch.split(joined / share.processes, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


@contextmanager
def joined(share: Share, folder: Path) -> Iterator[None]:
    """Exchange values with the other processes of the same `folder`, on this machine, through its loopback device."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    address = f"file://{folder / 'group'}"
    group.init_process_group("gloo", init_method=address, rank=share.rank, world_size=share.processes)
    try:
        yield
    finally:
        group.destroy_process_group()
