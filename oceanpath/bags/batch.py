"""The one batch type: bags end to end in one flat tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B bags of T patches together; bag `i` is the rows ``offsets[i]:offsets[i + 1]``."""

    features: Tensor
    """[T, D] as stored (float16, bfloat16 or float32)."""
    offsets: Tensor
    """[B + 1] int64, starts with 0, ends with T, and grows: no bag is empty."""
    coords: Tensor | None = None
    """[T, 2] int32 level-0 pixels."""
    labels: Tensor | None = None
    """[B] targets: int64 class numbers, or float32."""
    slide_ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """Patches of each bag, [B] int64."""
        return self.offsets.diff()

    def spans(self) -> Iterator[tuple[int, int]]:
        """First and one past the last row of each bag."""
        return pairwise(self.offsets.tolist())

    def split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Values [T, …] of all rows, bag by bag. Unlike slices, their gradients are joined in one pass."""
        return torch.split(rows, self.lengths.tolist())

    def mask(self) -> Tensor:
        """[B, N] bool, N the longest bag: True where a patch is real."""
        lengths = self.lengths
        places = torch.arange(int(lengths.max()), device=lengths.device)
        return places.unsqueeze(0) < lengths.unsqueeze(1)

    def padded(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """The same bags side by side: h [B, N, D] and coords [B, N, 2], zero where not real, and the mask [B, N]."""
        mask = self.mask()
        return _spread(self.features, mask), mask, None if self.coords is None else _spread(self.coords, mask)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch with its tensors on `device`."""
        names = ("features", "offsets", "coords", "labels")
        tensors = {name: getattr(self, name) for name in names}
        moved = {name: t.to(device, non_blocking=non_blocking) for name, t in tensors.items() if t is not None}
        return replace(self, **moved)


def _spread(rows: Tensor, mask: Tensor) -> Tensor:
    wide = rows.new_zeros((*mask.shape, rows.shape[-1]))
    wide[mask] = rows
    return wide
