from __future__ import annotations

import torch

from oceanpath.models.ppeg import PPEG, real_grid

from ..narrowing import required


@torch.no_grad()
def test_ppeg_is_three_convolutions_and_the_patches() -> None:
    torch.manual_seed(0)
    ppeg, x = PPEG(4).double(), torch.randn(2, 7, 4, dtype=torch.float64)
    square = torch.cat([x, x[:, :2]], dim=1).transpose(1, 2).reshape(2, 4, 3, 3)
    wanted = square + sum(one(square) for one in ppeg.convolutions)
    torch.testing.assert_close(ppeg(x, None), wanted.flatten(2).transpose(1, 2)[:, :7])


@torch.no_grad()
def test_on_a_real_grid_neighbours_are_neighbours_in_the_slide_whatever_their_order() -> None:
    torch.manual_seed(0)
    ppeg, x = PPEG(4).double(), torch.randn(1, 12, 4, dtype=torch.float64)
    coords = torch.cartesian_prod(torch.arange(3), torch.arange(4))[None] * 512 + 1000
    plane = x.reshape(1, 3, 4, 4).permute(0, 3, 2, 1)
    wanted = (plane + sum(one(plane) for one in ppeg.convolutions)).permute(0, 3, 2, 1).reshape(1, 12, 4)
    torch.testing.assert_close(ppeg(x, coords), wanted)
    order = torch.randperm(12)
    torch.testing.assert_close(ppeg(x[:, order], coords[:, order]), wanted[:, order])


def test_what_is_a_grid() -> None:
    cells, height, width = required(real_grid(torch.tensor([[512, 0], [0, 1024], [1024, 512]])))
    assert (cells.tolist(), height, width) == ([1, 6, 5], 3, 3)
    assert real_grid(torch.tensor([[7, 7]])) is not None
    assert real_grid(torch.tensor([[0, 0], [5, 0], [12, 0]])) is None  # 7 is no step of 5
    assert real_grid(torch.tensor([[0, 0], [1, 1], [5000, 5000]])) is None  # 25 million cells for 3 patches
