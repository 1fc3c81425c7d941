"""Nyström attention with a true key mask: Xiong et al., "Nyströmformer", AAAI 2021, equations 13 and 14.

    A ≈ softmax(Q K̃ᵀ) · softmax(Q̃ K̃ᵀ)⁺ · softmax(Q̃ Kᵀ)        Q̃, K̃: means of consecutive tokens (landmarks)

plus a depthwise convolution of V along the sequence. A sequence of n tokens is filled up in front to a multiple of the
landmarks; unlike the usual code, the filling takes part in no mean and no softmax, landmarks without a token are left
out, and the starting scale of the pseudo-inverse is that of each matrix, so neither the filling nor other bags matter.
The pseudo-inverse is float32 (float64 for a float64 model) even under autocast.

No step branches on a length or slices by one: the graph exports with any n.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from oceanpath.models.attend import join_heads, split_heads
from oceanpath.models.lengths import ceil_divide
from oceanpath.models.patches import masked_softmax, widen

KERNEL = 33


class NystromAttention(nn.Module):
    """[B, n, C] → [B, n, C], all tokens real."""

    def __init__(self, width: int, heads: int, landmarks: int, iterations: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.landmarks, self.iterations = heads, landmarks, iterations
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))
        self.res_conv = nn.Conv2d(heads, heads, (KERNEL, 1), padding=(KERNEL // 2, 0), groups=heads, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Approximate attention of every token to every token."""
        n, m = x.shape[1], self.landmarks
        size = ceil_divide(n, m, x)
        filling = size * m - n
        places = torch.arange(size * m, device=x.device) - filling
        real = places >= 0
        x = x.index_select(1, places.clamp(min=0)) * real.to(x.dtype)[None, :, None]
        q, k, v = (split_heads(part, self.heads) for part in self.to_qkv(x).chunk(3, dim=-1))
        mixed = self._mix(q / math.sqrt(q.shape[-1]), k, v, real) + self.res_conv(v)
        out: Tensor = self.to_out(join_heads(mixed))
        return out.index_select(1, torch.arange(n, device=x.device) + filling)

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, real: Tensor) -> Tensor:
        inside = real.reshape(self.landmarks, real.shape[0] // self.landmarks).sum(dim=1)
        count = inside.clamp(min=1).to(q.dtype)[:, None]
        q_marks, k_marks = (_sums(part, self.landmarks) / count for part in (q, k))
        used = inside > 0
        to_marks = masked_softmax(torch.matmul(q, k_marks.mT), used)
        marks = masked_softmax(torch.matmul(q_marks, k_marks.mT), used)
        # a landmark without tokens is its own block of the matrix, which the inverse keeps apart
        own = torch.eye(self.landmarks, device=q.device, dtype=marks.dtype)
        marks = torch.where(used[:, None] & used[None, :], marks, own)
        from_marks = masked_softmax(torch.matmul(q_marks, k.mT), real)
        gathered = torch.matmul(from_marks.to(v.dtype), v)
        return torch.matmul(torch.matmul(to_marks.to(v.dtype), _inverse(marks, self.iterations).to(v.dtype)), gathered)

    def first_attention(self, x: Tensor) -> Tensor:
        """Exact attention [B, n − 1] of the first token over the others, mean over heads: what Nyström approximates."""
        q, k, _ = (split_heads(part, self.heads) for part in self.to_qkv(x).chunk(3, dim=-1))
        scores = torch.matmul(q[:, :, :1], k[:, :, 1:].mT).squeeze(2) / math.sqrt(q.shape[-1])
        return torch.softmax(widen(scores), dim=-1).mean(dim=1)


def _sums(x: Tensor, parts: int) -> Tensor:
    """Sums over `parts` equal runs of the third axis."""
    return x.reshape(*x.shape[:2], parts, x.shape[2] // parts, x.shape[3]).sum(dim=3)


def _inverse(x: Tensor, iterations: int) -> Tensor:
    """Moore-Penrose inverse by the cubic iteration of Razavi et al. (2014), without autocast."""
    if torch.is_autocast_enabled(x.device.type):
        with torch.autocast(x.device.type, enabled=False):
            return _inverse(x, iterations)
    scale = x.sum(dim=-1).amax(dim=-1) * x.sum(dim=-2).amax(dim=-1)
    z = x.mT / scale[..., None, None]
    one = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    for _ in range(iterations):
        xz = torch.matmul(x, z)
        z = 0.25 * torch.matmul(z, 13 * one - torch.matmul(xz, 15 * one - torch.matmul(xz, 7 * one - xz)))
    return z
