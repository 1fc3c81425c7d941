"""The pyramid position encoding of TransMIL (Shao et al., NeurIPS 2021).

    x ← x + conv₇(x) + conv₅(x) + conv₃(x)        depthwise convolutions over the plane

The plane is

* the patches' grid if coordinates are known and form one;
* otherwise the smallest square in stored order, its end filled by repeating the first patches, as in the paper.

Unlike in the paper, the repeated patches only fill the square of the convolution; they are not tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oceanpath.models import streaming
from oceanpath.models.grid import convolve_by_lookup, grid_of
from oceanpath.models.lengths import as_tensor, ceil_sqrt, exporting


class PPEG(nn.Module):
    """Pyramid position encoding: [B, N, C] and coordinates [B, N, 2] or None → [B, N, C]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, size, padding=size // 2, groups=width) for size in (7, 5, 3)
        )

    def forward(self, x: Tensor, coords: Tensor | None) -> Tensor:
        """The patches, each with its convolved neighbourhood added."""
        if coords is None:
            return self._on_square(x)
        if exporting():
            kernel, bias = self._kernel()
            return x + convolve_by_lookup(x, coords, kernel.squeeze(1), bias)
        return torch.cat([self._on_plane(bag[None], bag_coords) for bag, bag_coords in zip(x, coords, strict=True)])

    def _on_plane(self, x: Tensor, coords: Tensor) -> Tensor:
        grid = real_grid(coords)
        if grid is None:
            return self._on_square(x)
        cells, height, width = grid
        # patches in the same cell are summed
        plane = x.new_zeros(height * width, x.shape[-1]).index_add(0, cells, x[0])
        convolved = self._convolve(plane.T.reshape(1, -1, height, width))
        return x + convolved.flatten(2).transpose(1, 2).index_select(1, cells)

    def _on_square(self, x: Tensor) -> Tensor:
        n, side = x.shape[1], ceil_sqrt(x.shape[1], x)
        order = torch.remainder(torch.arange(side * side, device=x.device), as_tensor(n, x))
        square = x.index_select(1, order).transpose(1, 2).reshape(x.shape[0], x.shape[2], side, side)
        convolved = self._convolve(square).flatten(2).transpose(1, 2)
        return x + convolved.index_select(1, torch.arange(n, device=x.device))

    def stream(self, x: Tensor, coords: Tensor | None) -> None:
        """At inference: ``x[:] = forward(x)`` for the patches x [n, C] of one bag, by bands of rows, in place."""
        grid = None if coords is None else real_grid(coords)
        plane = _Square(x) if grid is None else _Grid(x, *grid)
        step = max(1, streaming.BLOCK // plane.width)
        window = plane.rows(-3, 3)
        for top in range(0, plane.height, step):
            bottom = min(plane.height, top + step)
            window = torch.cat([window, plane.rows(top + 3, bottom + 3)], dim=1)
            plane.add(top, bottom, self._convolve(window[None], (0, 3))[0])
            window = window[:, -6:]  # the rows above the next band, unchanged

    def _convolve(self, plane: Tensor, padding: tuple[int, int] = (3, 3)) -> Tensor:
        """One 7×7 convolution with the sum of the three kernels: the same function at the cost of the largest."""
        kernel, bias = self._kernel()
        return nn.functional.conv2d(plane, kernel, bias, padding=padding, groups=plane.shape[1])

    def _kernel(self) -> tuple[Tensor, Tensor]:
        """The sum of the three kernels [C, 1, 7, 7] and of their biases [C]."""
        weights = [
            nn.functional.pad(convolution.weight, [3 - convolution.kernel_size[0] // 2] * 4)
            for convolution in self._typed_convolutions()
        ]
        biases = [convolution.bias for convolution in self._typed_convolutions() if convolution.bias is not None]
        return torch.stack(weights).sum(dim=0), torch.stack(biases).sum(dim=0)

    def _typed_convolutions(self) -> list[nn.Conv2d]:
        return [convolution for convolution in self.convolutions if isinstance(convolution, nn.Conv2d)]


class _Square:
    """Patches x [n, C] on the smallest square in stored order, accessed by rows."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.width = x, ceil_sqrt(len(x), x)
        self.height = self.width
        self.repeated = x[: self.width**2 - len(x)].clone()  # the first patches, copied before they change

    def rows(self, top: int, bottom: int) -> Tensor:
        """[C, bottom − top, width], zero outside the square."""
        start, stop = max(0, top) * self.width, min(self.height, bottom) * self.width
        n = len(self.x)
        inside = torch.cat([self.x[start:stop], self.repeated[max(0, start - n) : max(0, stop - n)]])
        return _pad_rows(inside, self.width, -min(0, top), bottom - top)

    def add(self, top: int, bottom: int, convolved: Tensor) -> None:
        """Add [C, bottom − top, width] to the patches of these rows."""
        targets = self.x[top * self.width : bottom * self.width]
        targets += convolved.flatten(1).T[: len(targets)]


class _Grid:
    """Patches x [n, C] in `cells` [n] of a grid, accessed by rows; patches in the same cell are summed."""

    def __init__(self, x: Tensor, cells: Tensor, height: int, width: int) -> None:
        self.x, self.height, self.width = x, height, width
        self.cells, self.patches = cells.sort()

    def _patches_in_rows(self, top: int, bottom: int) -> slice:
        edges = torch.tensor([top * self.width, bottom * self.width], device=self.cells.device)
        return slice(*torch.searchsorted(self.cells, edges).tolist())

    def rows(self, top: int, bottom: int) -> Tensor:
        """[C, bottom − top, width], zero outside the grid."""
        selected = self._patches_in_rows(top, bottom)
        plane = self.x.new_zeros((bottom - top) * self.width, self.x.shape[1])
        plane.index_add_(0, self.cells[selected] - top * self.width, self.x[self.patches[selected]])
        return _pad_rows(plane, self.width, 0, bottom - top)

    def add(self, top: int, bottom: int, convolved: Tensor) -> None:
        """Add [C, bottom − top, width] to the patches of these rows."""
        selected = self._patches_in_rows(top, bottom)
        targets = convolved.flatten(1).T[self.cells[selected] - top * self.width]
        self.x.index_add_(0, self.patches[selected], targets.to(self.x.dtype))  # autocast gives half precision


def _pad_rows(rows: Tensor, width: int, above: int, height: int) -> Tensor:
    """Rows [k · width, C] as a plane [C, height, width], with `above` empty rows before and the others after."""
    plane = rows.T.reshape(rows.shape[1], -1, width)
    return nn.functional.pad(plane, (0, 0, above, height - above - plane.shape[1]))


def real_grid(coords: Tensor) -> tuple[Tensor, int, int] | None:
    """Cell [N] of each patch, and height and width of the grid of coordinates [N, 2]; None if they form none."""
    grid = grid_of(coords[None])
    if not bool(grid.fits):
        return None
    return (grid.row * grid.width + grid.column)[0], int(grid.height), int(grid.width)
