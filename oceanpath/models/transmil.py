"""TransMIL: Shao et al., "TransMIL: Transformer based Correlated Multiple Instance Learning", NeurIPS 2021.

class token + patches → Nyström attention → PPEG → Nyström attention … → the class token

PPEG adds to every patch depthwise 7×7, 5×5 and 3×3 convolutions over the patches laid out in the plane:

* on the patches' real grid when coordinates are known and form one;
* otherwise on the smallest square in stored order, its end filled by repeating the first patches, as in the paper.

Unlike the paper the repeated patches only fill the square of the convolution; no token is attended to twice. The
attention that is returned is the exact softmax attention of the class token in the last block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oceanpath.models.base import BaseMIL
from oceanpath.models.lengths import as_tensor, ceil_sqrt
from oceanpath.models.nystrom import NystromAttention
from oceanpath.models.patches import PatchMLP
from oceanpath.models.settings import TransMILSettings

SPARSE = 16
"""Cells of a real grid for each patch above which coordinates are not taken for a grid."""


class TransMIL(BaseMIL):
    """Nyström attention blocks with PPEG between them; bags are taken one by one, without padding."""

    ordered = True  # landmarks are means of consecutive patches, and the square layout is in stored order
    unpads = True

    def __init__(self, settings: TransMILSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        width = settings.hidden
        self.patches = PatchMLP(settings, in_dim)
        self.slide = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(settings.layers))
        self.blocks = nn.ModuleList(
            NystromAttention(width, settings.heads, settings.landmarks, settings.iterations, settings.dropout)
            for _ in range(settings.layers)
        )
        self.ppeg = PPEG(width)
        self.norm = nn.LayerNorm(width)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,  # noqa: ARG002  # `unpads`: there is none
        coords: Tensor | None,
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """The class token after the last block, and its exact attention there."""
        hidden = self.patches(h)
        x = torch.cat([self.slide.expand(hidden.shape[0], -1, -1).to(hidden.dtype), hidden], dim=1)
        attention = None
        for number, (norm, block) in enumerate(zip(self.norms, self.blocks, strict=True)):
            if number == 1:
                x = torch.cat([x[:, :1], self.ppeg(x[:, 1:], coords)], dim=1)
            normed = norm(x)
            if return_attention and number == len(self.blocks) - 1:
                assert isinstance(block, NystromAttention)
                attention = block.first_attention(normed)
            x = x + block(normed)
        return self.norm(x[:, 0]), attention


class PPEG(nn.Module):
    """Pyramid position encoding: [B, N, C] and coordinates [B, N, 2] or None → [B, N, C]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, size, padding=size // 2, groups=width) for size in (7, 5, 3)
        )

    def forward(self, x: Tensor, coords: Tensor | None) -> Tensor:
        """The patches, each with its neighbourhood added."""
        if coords is None:
            return self._on_square(x)
        return torch.cat([self._on_plane(bag[None], places) for bag, places in zip(x, coords, strict=True)])

    def _on_plane(self, x: Tensor, coords: Tensor) -> Tensor:
        grid = real_grid(coords)
        if grid is None:
            return self._on_square(x)
        cells, height, width = grid
        # patches that share a cell add up there
        plane = x.new_zeros(height * width, x.shape[-1]).index_add(0, cells, x[0])
        around = self._convolve(plane.T.reshape(1, -1, height, width))
        return x + around.flatten(2).transpose(1, 2).index_select(1, cells)

    def _on_square(self, x: Tensor) -> Tensor:
        n, side = x.shape[1], ceil_sqrt(x.shape[1], x)
        order = torch.remainder(torch.arange(side * side, device=x.device), as_tensor(n, x))
        square = x.index_select(1, order).transpose(1, 2).reshape(x.shape[0], x.shape[2], side, side)
        around = self._convolve(square).flatten(2).transpose(1, 2)
        return x + around.index_select(1, torch.arange(n, device=x.device))

    def _convolve(self, plane: Tensor) -> Tensor:
        """One 7×7 convolution whose kernel is the sum of all three: the same function at the cost of the largest."""
        weights = [nn.functional.pad(one.weight, [3 - one.kernel_size[0] // 2] * 4) for one in self._sizes()]
        biases = [one.bias for one in self._sizes() if one.bias is not None]
        total = torch.stack(weights).sum(dim=0)
        return nn.functional.conv2d(plane, total, torch.stack(biases).sum(dim=0), padding=3, groups=plane.shape[1])

    def _sizes(self) -> list[nn.Conv2d]:
        return [one for one in self.convolutions if isinstance(one, nn.Conv2d)]


def real_grid(coords: Tensor) -> tuple[Tensor, int, int] | None:
    """Cell [N] of each patch, height and width of the grid that coordinates [N, 2] lie on; None if they form none.

    The step of an axis is the smallest distance between two different coordinates on it.
    """
    cells, sizes = [], []
    for places in coords.long().unbind(dim=1):
        from_first = places - places.amin()
        steps = torch.unique(from_first).diff()
        step = int(steps.amin()) if len(steps) else 1
        if (from_first % step).any():
            return None
        cells.append(from_first // step)
        sizes.append(int(cells[-1].amax()) + 1)
    width, height = sizes
    if width * height > SPARSE * len(coords) + 64:
        return None
    return cells[1] * width + cells[0], height, width
