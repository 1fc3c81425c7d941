"""The batch type of all models: concatenated bags in one flat tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B bags with T patches in total; bag `i` is the rows ``offsets[i]:offsets[i + 1]``."""

    features: Tensor
    """[T, D] as stored (float16, bfloat16 or float32)."""
    offsets: Tensor
    """[B + 1] int64, from 0 to T, strictly increasing: no bag is empty."""
    coords: Tensor | None = None
    """[T, 2] int32 level-0 pixels."""
    labels: Tensor | None = None
    """[B] targets: int64 class numbers, or float32."""
    slide_ids: tuple[str, ...] = ()
    views: Tensor | None = None
    """[B] int64, number of the view of its slide that each bag is; None: one view per slide."""
    masked: Tensor | None = None
    """[T] bool, True where a patch is hidden from the model; None: no patch is hidden."""
    weights: Tensor | None = None
    """[B] float32, weight of each bag in the loss; None: equal weights."""
    padded_to: int | None = None
    """Rows to which the bags are padded when they are computed; None: they are computed without padding."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """Patches of each bag, [B] int64."""
        return self.offsets.diff()

    def spans(self) -> Iterator[tuple[int, int]]:
        """First row of each bag, and the row after its last."""
        return pairwise(self.offsets.tolist())

    def split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Values [T, …] of all rows, one tensor per bag. Unlike for slices, the backward pass concatenates once."""
        return torch.split(rows, self.lengths.tolist())

    def mask(self) -> Tensor:
        """[B, N] bool, N the longest bag or `padded_to`: True where a patch is real."""
        lengths = self.lengths
        columns = torch.arange(self.padded_to or int(lengths.max()), device=lengths.device)
        return columns.unsqueeze(0) < lengths.unsqueeze(1)

    def padded(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """The padded bags: features [B, N, D], mask [B, N], and coords [B, N, 2]; zero in the padding."""
        mask = self.mask()
        return _padded_rows(self.features, mask), mask, None if self.coords is None else _padded_rows(self.coords, mask)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch with its tensors on `device`."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **{name: t.to(device, non_blocking=non_blocking) for name, t in tensors.items()})  # type: ignore[arg-type]  # names of tensors


def _padded_rows(rows: Tensor, mask: Tensor) -> Tensor:
    padded = rows.new_zeros((*mask.shape, rows.shape[-1]))
    padded[mask] = rows
    return padded
