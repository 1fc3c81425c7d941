"""Nyström attention with a key mask: Xiong et al., "Nyströmformer", AAAI 2021, equations 13 and 14.

    A V ≈ softmax(Q K̃ᵀ) · ( softmax(Q̃ K̃ᵀ)⁺ · ( softmax(Q̃ Kᵀ) V ) )        Q̃, K̃: means of consecutive tokens (landmarks)

plus a depthwise convolution of V along the sequence. A sequence of n tokens is padded at its start to a multiple of
the landmarks. Unlike in the authors' code, padding is excluded from means and softmaxes, landmarks without tokens are
left out, and the initial scale of the pseudo-inverse is per matrix, so that neither padding nor other bags matter. The
pseudo-inverse is float32 (float64 for a float64 model) even under autocast.

`forward` neither branches on a length nor slices by one, so that it exports for any n.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from oceanpath.models import streaming
from oceanpath.models.attention import join_heads, split_heads
from oceanpath.models.lengths import ceil_divide
from oceanpath.models.patches import masked_softmax, widen
from oceanpath.models.streaming import RunningSoftmax

KERNEL = 33
Parts = tuple[Tensor, Tensor, Tensor]
"""Scaled queries, keys and values, each [B, heads, n, d]."""


class NystromAttention(nn.Module):
    """[B, n, C] → [B, n, C], without padding tokens."""

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
        padding = size * m - n
        positions = torch.arange(size * m, device=x.device) - padding
        real = positions >= 0
        x = x.index_select(1, positions.clamp(min=0)) * real.to(x.dtype)[None, :, None]
        q, k, v = self._split(x)
        counts = real.reshape(m, size).sum(dim=1)
        q_landmarks, k_landmarks = (_sums(part, m) / counts.clamp(min=1).to(q.dtype)[:, None] for part in (q, k))
        summaries = torch.matmul(masked_softmax(torch.matmul(q_landmarks, k.mT), real).to(v.dtype), v)
        mixed = self._from_landmarks(
            q, k_landmarks, counts > 0, self._inverse_times(q_landmarks, k_landmarks, counts > 0, summaries)
        )
        out: Tensor = self.to_out(join_heads(mixed + self.res_conv(v)))
        return out.index_select(1, torch.arange(n, device=x.device) + padding)

    def _split(self, x: Tensor) -> Parts:
        q, k, v = (split_heads(part, self.heads) for part in self.to_qkv(x).chunk(3, dim=-1))
        return q / math.sqrt(q.shape[-1]), k, v

    def _inverse_times(self, q_landmarks: Tensor, k_landmarks: Tensor, occupied: Tensor, summaries: Tensor) -> Tensor:
        """The pseudo-inverse of the landmarks' attention times `summaries`, their attention-weighted values."""
        landmark_attention = masked_softmax(torch.matmul(q_landmarks, k_landmarks.mT), occupied)
        # a landmark without tokens is a block of its own, also in the inverse
        own = torch.eye(self.landmarks, device=landmark_attention.device, dtype=landmark_attention.dtype)
        landmark_attention = torch.where(occupied[:, None] & occupied[None, :], landmark_attention, own)
        return torch.matmul(_inverse(landmark_attention, self.iterations).to(summaries.dtype), summaries)

    def _from_landmarks(self, q: Tensor, k_landmarks: Tensor, occupied: Tensor, solved: Tensor) -> Tensor:
        return torch.matmul(masked_softmax(torch.matmul(q, k_landmarks.mT), occupied).to(solved.dtype), solved)

    def first_attention(self, x: Tensor) -> Tensor:
        """Exact attention [B, n − 1] of the first token over the others, mean over heads, not approximated."""
        q, k, _ = self._split(x)
        scores = torch.matmul(q[:, :, :1], k[:, :, 1:].mT).squeeze(2)
        return torch.softmax(widen(scores), dim=-1).mean(dim=1)

    def stream(self, x: Tensor, norm: nn.Module, needed: int, return_attention: bool) -> Tensor | None:
        """At inference: ``x += forward(norm(x))`` for the first `needed` of the tokens x [1, n, C], by blocks.

        Three passes: the landmarks, their summaries of all tokens, and the outputs.

        Returns: `first_attention` of ``norm(x)``, [n − 1], or None.
        """

        def split(part: slice) -> Parts:
            return self._split(norm(x[:, part]))

        q_landmarks, k_landmarks, occupied = self._landmarks(x.shape[1], split)
        summaries, first, scores = RunningSoftmax(), split(slice(0, 1))[0], []
        for part in streaming.blocks(x.shape[1]):
            _, k, v = split(part)
            summaries.add(widen(torch.matmul(q_landmarks, k.mT)), v)
            if return_attention:
                scores.append(widen(torch.matmul(first, k.mT)).squeeze(2))
        solved = self._inverse_times(q_landmarks, k_landmarks, occupied, summaries.mean().to(x.dtype))
        self._write_outputs(
            x, split, needed, lambda q: self._from_landmarks(q, k_landmarks, occupied, solved.to(q.dtype))
        )
        return torch.softmax(torch.cat(scores, dim=-1)[..., 1:], dim=-1).mean(dim=(0, 1)) if scores else None

    def _landmarks(self, n: int, split: Callable[[slice], Parts]) -> tuple[Tensor, Tensor, Tensor]:
        """Landmarks of queries and keys [1, heads, m, d], and which of them have tokens [m]."""
        m, size = self.landmarks, -(-n // self.landmarks)
        sums: list[Tensor] = []
        for part in streaming.blocks(n):
            q, k, _ = split(part)
            owner = (torch.arange(part.start, part.stop, device=q.device) + size * m - n) // size
            sums = sums or [torch.zeros(*q.shape[:2], m, q.shape[-1], device=q.device, dtype=widen(q).dtype)] * 2
            sums = [total.index_add(2, owner, widen(values)) for total, values in zip(sums, (q, k), strict=True)]
        first = torch.arange(m, device=sums[0].device) * size - (size * m - n)
        counts = (first + size).clamp(min=0) - first.clamp(min=0)
        q_landmarks, k_landmarks = (
            (total / counts.clamp(min=1).to(total.dtype)[:, None]).to(q.dtype) for total in sums
        )
        return q_landmarks, k_landmarks, counts > 0

    def _write_outputs(
        self, x: Tensor, split: Callable[[slice], Parts], needed: int, attend: Callable[[Tensor], Tensor]
    ) -> None:
        """Write the outputs block by block; the convolution also reads half a kernel on both sides of a block."""
        n, half, previous = x.shape[1], KERNEL // 2, None
        for part in streaming.blocks(needed):
            q, _, v = split(slice(part.start, min(n, part.stop + half)))
            before = v.new_zeros(*v.shape[:2], half, v.shape[-1]) if previous is None else previous
            after = v.new_zeros(*v.shape[:2], part.stop + half - min(n, part.stop + half), v.shape[-1])
            size = part.stop - part.start
            previous = torch.cat([before, v[:, :, :size]], dim=2)[:, :, -half:]  # before these tokens are changed
            convolved = nn.functional.conv2d(
                torch.cat([before, v, after], dim=2), self.res_conv.weight, groups=self.heads
            )
            x[:, part] += self.to_out(join_heads(attend(q[:, :, :size]) + convolved))


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
    identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    for _ in range(iterations):
        xz = torch.matmul(x, z)
        z = 0.25 * torch.matmul(
            z, 13 * identity - torch.matmul(xz, 15 * identity - torch.matmul(xz, 7 * identity - xz))
        )
    return z
