from __future__ import annotations

import pytest
import torch
from torch import nn

from oceanpath.models.nystrom import NystromAttention, _inverse
from oceanpath.models.settings import TransMILSettings
from oceanpath.models.transmil import PPEG, TransMIL, real_grid


@torch.no_grad()
@pytest.mark.parametrize("n", [3, 8])
def test_with_a_landmark_a_token_it_is_exact_attention(n: int) -> None:
    torch.manual_seed(0)
    block = NystromAttention(16, 2, 8, 30, 0.0).double().eval()
    x = torch.randn(1, n, 16, dtype=torch.float64)
    q, k, v = (part.reshape(1, n, 2, 8).transpose(1, 2) for part in block.to_qkv(x).chunk(3, dim=-1))
    exact = nn.functional.scaled_dot_product_attention(q, k, v)
    # the convolution pads with zeros, here and there
    wanted = block.to_out((exact + block.res_conv(v)).transpose(1, 2).flatten(2))
    torch.testing.assert_close(block(x), wanted, atol=1e-8, rtol=0)


@torch.no_grad()
def test_the_iteration_is_the_pseudo_inverse() -> None:
    torch.manual_seed(0)
    x = torch.softmax(3 * torch.randn(2, 3, 12, 12, dtype=torch.float64), dim=-1)
    torch.testing.assert_close(_inverse(x, 60), torch.linalg.pinv(x), atol=1e-6, rtol=0)


@torch.no_grad()
def test_the_inverse_stays_wide_under_autocast() -> None:
    x = torch.softmax(torch.randn(1, 1, 8, 8), dim=-1)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(_inverse(x, 6), _inverse(x.double(), 6).float(), atol=1e-3, rtol=0)


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
    cells, height, width = real_grid(torch.tensor([[512, 0], [0, 1024], [1024, 512]]))  # type: ignore[misc]
    assert (cells.tolist(), height, width) == ([1, 6, 5], 3, 3)
    assert real_grid(torch.tensor([[7, 7]])) is not None
    assert real_grid(torch.tensor([[0, 0], [5, 0], [12, 0]])) is None  # 7 is no step of 5
    assert real_grid(torch.tensor([[0, 0], [1, 1], [5000, 5000]])) is None  # 25 million cells for 3 patches


@torch.no_grad()
def test_places_matter_when_they_form_a_grid() -> None:
    torch.manual_seed(0)
    model = TransMIL(TransMILSettings(hidden=16, heads=2, landmarks=4), 6).eval()
    h, coords = torch.randn(1, 9, 6), torch.cartesian_prod(torch.arange(3), torch.arange(3))[None] * 256
    turned = coords[:, torch.randperm(9)]
    assert not torch.allclose(model.forward_features(h, None, coords)[0], model.forward_features(h, None, turned)[0])
