"""The state-space scan of Mamba-2 in plain torch: Dao and Gu, "Transformers are SSMs", ICML 2024, section 6.

    s_t = exp(Δ_t A) s_{t−1} + Δ_t B_t x_t        y_t = C_tᵀ s_t

in chunks: within a chunk by one masked matrix product, between chunks by the states at their ends. Decays are
differences of sums, never ratios of products, so nothing overflows; sums across chunks are float64, because float32
would lose the difference of two large ones. Memory grows with N · chunk + (N / chunk)².
"""

from __future__ import annotations

import torch
from torch import Tensor

from oceanpath.models.lengths import as_tensor, ceil_divide


def scan(
    x: Tensor, decay: Tensor, b: Tensor, c: Tensor, chunk: int, start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """All outputs y of the recurrence s_t = exp(decay_t) s_{t−1} + x_t b_tᵀ, y_t = s_t c_t, and its last state.

    Args:
        x: [B, L, H, P], already multiplied by Δ.
        decay: [B, L, H], Δ·A, not positive.
        b: [B, L, S].
        c: [B, L, S].
        chunk: number of tokens per matrix.
        start: the state [B, H, P, S] before the first token; None = 0.

    Returns: y [B, L, H, P] and the state [B, H, P, S] after the last token.
    """
    length = x.shape[1]
    count = ceil_divide(length, chunk, x)
    positions = torch.arange(count * chunk, device=x.device)
    last = positions.clamp(max=as_tensor(length - 1, x))
    real = (positions == last).to(x.dtype)

    def split_chunks(part: Tensor) -> Tensor:
        # zeros after the end change no output: x = 0 and decay 0
        filled = part.index_select(1, last) * real.reshape(-1, *[1] * (part.ndim - 2))
        return filled.reshape(part.shape[0], count, chunk, *part.shape[2:])

    x, b, c = split_chunks(x), split_chunks(b), split_chunks(c)
    sums = split_chunks(decay).cumsum(dim=2).permute(0, 1, 3, 2)  # [B, K, H, Q]
    inside = torch.exp(_lower(sums.unsqueeze(-1) - sums.unsqueeze(-2)))  # [B, K, H, Q, Q]
    scores = torch.matmul(c, b.mT).unsqueeze(2) * inside
    values = x.transpose(2, 3)  # [B, K, H, Q, P]
    within = torch.matmul(scores, values)
    to_end = torch.exp(sums[..., -1:] - sums)
    states = torch.matmul((values * to_end.unsqueeze(-1)).mT, b.unsqueeze(2))  # [B, K, H, P, S]
    before = _carry(_with_edges(states, start), _with_edges(sums[..., -1]))
    across = torch.matmul(c.unsqueeze(2), before[:, 1:-1].mT) * torch.exp(sums).unsqueeze(-1)
    y = (within + across).transpose(2, 3).flatten(1, 2)
    return y.index_select(1, torch.arange(length, device=x.device)), before[:, -1]


def _with_edges(x: Tensor, first: Tensor | None = None) -> Tensor:
    """[B, K, …] with one more chunk before the first and one after the last; zeros where none is given."""
    empty = torch.zeros_like(x[:, 0])
    return torch.cat([(empty if first is None else first).unsqueeze(1), x, empty.unsqueeze(1)], dim=1)


def _carry(states: Tensor, totals: Tensor) -> Tensor:
    """The state [B, K, H, P, S] before each chunk, from the sum that every chunk adds and its total decay [B, K, H]."""
    sums = totals.double().cumsum(dim=1).transpose(1, 2)  # [B, H, K]
    until = sums - totals.double().transpose(1, 2)
    weights = torch.exp(_lower((until.unsqueeze(-1) - sums.unsqueeze(-2)).to(states.dtype), -1))
    rows = states.transpose(1, 2).flatten(3)
    carried = torch.matmul(weights, rows)
    return carried.reshape(*carried.shape[:3], *states.shape[-2:]).transpose(1, 2)


def _lower(x: Tensor, diagonal: int = 0) -> Tensor:
    """−inf above the diagonal of the last two axes."""
    size = x.shape[-1]
    positions = torch.arange(size, device=x.device)
    return x.masked_fill(positions[None, :] > positions[:, None] + diagonal, float("-inf"))
