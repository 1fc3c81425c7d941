"""The grid of the patches of a bag, from their coordinates, as tensors whose sizes depend only on n.

No branch and no shape depends on a coordinate, so that it can be exported.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from oceanpath.models.lengths import as_tensor, ceil_sqrt

SPARSE = 16
"""Maximum number of cells per patch; coordinates with more are not a grid."""
SPARE = 64
"""Number of additional cells that every bag may have."""
REACH = 3
SIDE = 2 * REACH + 1
"""Cells per side of the kernel around a patch."""
FAR = 1 << 62


class CoordsGrid(NamedTuple):
    """Cells of B bags of n patches."""

    column: Tensor
    """[B, n] int64."""
    row: Tensor
    """[B, n] int64."""
    width: Tensor
    """[B, 1] int64."""
    height: Tensor
    """[B, 1] int64."""
    fits: Tensor
    """[B, 1] bool: whether the coordinates form a grid; otherwise the cells have no meaning."""


def grid_of(coords: Tensor) -> CoordsGrid:
    """The grid of coordinates [B, n, 2]. The step of an axis is the smallest difference of coordinates."""
    along = coords.long().mT
    along = along - along.amin(dim=2, keepdim=True)
    ordered = along.sort(dim=2).values
    gaps = torch.cat([ordered[:, :, 1:] - ordered[:, :, :-1], torch.zeros_like(ordered[:, :, :1])], dim=2)
    step = torch.where(gaps > 0, gaps, FAR).amin(dim=2, keepdim=True)
    step = torch.where(step == FAR, 1, step)
    off_grid = (torch.remainder(along, step) != 0).flatten(1).any(dim=1, keepdim=True)
    cells = torch.div(along, step, rounding_mode="floor")
    (column, row), (width, height) = cells.unbind(dim=1), (cells.amax(dim=2, keepdim=True) + 1).unbind(dim=1)
    fits = ~off_grid & (width * height <= SPARSE * as_tensor(coords.shape[1], coords) + SPARE)
    return CoordsGrid(column, row, width, height, fits)


def convolve_by_lookup(x: Tensor, coords: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """A depthwise convolution [B, n, C] of patches with their neighbours by lookup, without a dense plane.

    Args:
        x: The patches.
        coords: [B, n, 2]; a bag whose coordinates form no grid is arranged on the smallest square in stored order; the
            end of the square is filled by repeating the first patches.
        kernel: [C, 7, 7].
        bias: [C].
    """
    n, batch = as_tensor(x.shape[1], x), x.shape[0]
    grid = _or_square(grid_of(coords), x)
    owner = _owners(grid, x)
    first = torch.arange(batch, device=x.device)[:, None] * (n + 1)
    own_row = owner.gather(1, grid.row * grid.width + grid.column) + first
    # one more row per bag: the value of an empty cell
    empty = torch.cat([torch.zeros_like(x), torch.zeros_like(x[:, :1])], dim=1).flatten(0, 1)
    cells = empty.index_put(
        (own_row.flatten(),), x.flatten(0, 1), accumulate=True
    )  # patches in the same cell are summed
    neighbours = _neighbours(grid, owner, n) + first[:, None, None]
    total = bias.expand_as(x)
    for line, weights in zip(neighbours.unbind(dim=1), kernel.unbind(dim=1), strict=True):
        rows = cells.index_select(0, line.flatten()).reshape(batch, SIDE, -1, x.shape[2])
        total = total + (rows * weights.mT[:, None]).sum(dim=1)
    return total


def _or_square(grid: CoordsGrid, x: Tensor) -> CoordsGrid:
    """`grid`, with the smallest square in stored order for bags whose coordinates form none."""
    order = torch.arange(x.shape[1], device=x.device)[None]
    side = as_tensor(ceil_sqrt(x.shape[1], x), x)
    return CoordsGrid(
        torch.where(grid.fits, grid.column, torch.remainder(order, side)),
        torch.where(grid.fits, grid.row, torch.div(order, side, rounding_mode="floor")),
        torch.where(grid.fits, grid.width, side),
        torch.where(grid.fits, grid.height, side),
        grid.fits,
    )


def _owners(grid: CoordsGrid, x: Tensor) -> Tensor:
    """[B, cells]: the index of a patch in each cell, n for an empty one."""
    n, order = as_tensor(x.shape[1], x), torch.arange(x.shape[1], device=x.device)[None]
    cell = torch.arange(SPARSE * x.shape[1] + SPARE, device=x.device)[None]
    empty = (torch.zeros_like(cell) + n).expand(x.shape[0], -1)
    on_grid = empty.scatter(1, grid.row * grid.width + grid.column, order.expand(x.shape[0], -1))
    on_square = torch.where(cell < grid.width * grid.height, torch.remainder(cell, n), n)
    return torch.where(grid.fits, on_grid, on_square)


def _neighbours(grid: CoordsGrid, owner: Tensor, n: Tensor) -> Tensor:
    """[B, 7, 7, n]: the owner of the cell at each offset (row, column) from each patch; n outside the plane."""
    offset = torch.arange(-REACH, REACH + 1, device=owner.device)
    column = grid.column[:, None, None] + offset[None, None, :, None]
    row = grid.row[:, None, None] + offset[None, :, None, None]
    width, height = grid.width[:, None, None], grid.height[:, None, None]
    inside = ((column >= 0) & (column < width) & (row >= 0) & (row < height)).flatten(1)
    cell = torch.where(inside, (row * width + column).flatten(1), 0)
    return torch.where(inside, owner.gather(1, cell), n).reshape(owner.shape[0], SIDE, SIDE, -1)
