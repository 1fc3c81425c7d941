from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.models.mamba2 import Mamba2
from oceanpath.models.settings import BiMambaSettings
from oceanpath.models.ssd import scan


@settings(deadline=None, max_examples=25)
@given(length=st.integers(1, 40), chunk=st.integers(1, 17), seed=st.integers(0, 99))
def test_the_scan_is_the_recurrence(length: int, chunk: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(2, length, 3, 4, generator=g, dtype=torch.float64)
    decay = -torch.rand(2, length, 3, generator=g, dtype=torch.float64) * 3
    b, c = (torch.randn(2, length, 5, generator=g, dtype=torch.float64) for _ in range(2))
    state, wanted = torch.zeros(2, 3, 4, 5, dtype=torch.float64), []
    for t in range(length):
        state = decay[:, t].exp()[..., None, None] * state + x[:, t, :, :, None] * b[:, t, None, None, :]
        wanted.append((state * c[:, t, None, None, :]).sum(-1))
    y, last = scan(x, decay, b, c, chunk)
    torch.testing.assert_close(y, torch.stack(wanted, 1), atol=1e-10, rtol=0)
    torch.testing.assert_close(last, state, atol=1e-10, rtol=0)


def test_the_chunk_changes_only_rounding_over_a_long_slide() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1, 20_000, 2, 4, generator=g)
    decay = -torch.rand(1, 20_000, 2, generator=g)
    b, c = (torch.randn(1, 20_000, 4, generator=g) for _ in range(2))
    exact = scan(x.double(), decay.double(), b.double(), c.double(), 64)[0].float()
    torch.testing.assert_close(scan(x, decay, b, c, 128)[0], exact, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_it_is_causal() -> None:
    torch.manual_seed(0)
    layer = Mamba2(BiMambaSettings(hidden=16, head=8, state=4, chunk=4))
    h = torch.randn(1, 11, 16)
    later = h.clone()
    later[:, 7:] += 1
    torch.testing.assert_close(layer(h)[:, :7], layer(later)[:, :7])
    assert not torch.allclose(layer(h)[:, 7], layer(later)[:, 7])


def test_parameters_have_the_names_and_shapes_of_mamba_ssm() -> None:
    shapes = {k: tuple(v.shape) for k, v in Mamba2(BiMambaSettings(hidden=32, head=16, state=8)).state_dict().items()}
    assert shapes == {
        "dt_bias": (4,),
        "A_log": (4,),
        "D": (4,),
        "in_proj.weight": (2 * 64 + 2 * 8 + 4, 32),
        "conv1d.weight": (64 + 16, 1, 4),
        "conv1d.bias": (80,),
        "norm.weight": (64,),
        "out_proj.weight": (32, 64),
    }
