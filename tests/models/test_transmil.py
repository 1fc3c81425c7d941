from __future__ import annotations

import pytest
import torch
from torch import nn

from oceanpath.models.nystrom import NystromAttention, _inverse
from oceanpath.models.settings import TransMILSettings
from oceanpath.models.transmil import TransMIL


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
def test_places_matter_when_they_form_a_grid() -> None:
    torch.manual_seed(0)
    model = TransMIL(TransMILSettings(hidden=16, heads=2, landmarks=4), 6).eval()
    h, coords = torch.randn(1, 9, 6), torch.cartesian_prod(torch.arange(3), torch.arange(3))[None] * 256
    turned = coords[:, torch.randperm(9)]
    assert not torch.allclose(model.forward_features(h, None, coords)[0], model.forward_features(h, None, turned)[0])
