"""What each patch adds to the outputs of the members, from the exported file, as in additive MIL (Javed et al. 2022).

The part of a file after the pooling is affine in the means z_h of the heads, for architectures that only join them:

    f(z) = f(0) + Σ_h l_h(z_h)        z_h = Σ_k w_hk x_k        c_k = Σ_h w_hk l_h(x_k) + f(0) · mean_h w_hk

Whether it is affine cannot be seen in the file; it is if the contributions of a slide sum to its outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

ROWS = 512
"""Patches that are evaluated at once."""
TOLERANCE = 1e-3
"""Largest difference of the sum from an output, relative to outputs above 1."""
After = Callable[[list[NDArray[np.float32]]], NDArray[np.floating]]
"""Means [n, H, E] of every member → its outputs [M, n, C]."""


class PatchParts:
    """The linear parts of the outputs, patch by patch and head by head."""

    def __init__(self, after: After) -> None:
        """`after` is the part of the model after the pooling."""
        self._after = after
        self._parts: list[NDArray[np.float64]] = []
        self._constant: NDArray[np.float64] = np.zeros(0)

    def add(self, hidden: Sequence[NDArray[np.float32]], heads: int) -> None:
        """Hidden patches [n, E] of every member, whose model has this number of heads."""
        zeros = [np.zeros((1, heads, part.shape[1]), np.float32) for part in hidden]
        self._constant = self._after(zeros).astype(np.float64)
        for start in range(0, len(hidden[0]), ROWS):
            rows = [part[start : start + ROWS] for part in hidden]
            self._parts.append(np.stack([self._of_head(rows, head, heads) for head in range(heads)], axis=1))

    def _of_head(self, rows: Sequence[NDArray[np.float32]], head: int, heads: int) -> NDArray[np.float64]:
        """l_h of these patches [M, n, C]."""
        means = [np.zeros((len(part), heads, part.shape[1]), np.float32) for part in rows]
        for mean, part in zip(means, rows, strict=True):
            mean[:, head] = part
        return self._after(means).astype(np.float64) - self._constant

    def contributions(
        self, weights: Sequence[NDArray[np.float32]], outputs: NDArray[np.floating]
    ) -> NDArray[np.float64] | None:
        """The contributions [M, n, C] from weights [H, n] and outputs [M, C] of every member; None if not affine."""
        parts, shares = np.concatenate(self._parts, axis=2), np.stack(weights).astype(np.float64)
        constant = shares.mean(axis=1)[:, :, None] * self._constant
        contributions: NDArray[np.float64] = np.einsum("mhn,mhnc->mnc", shares, parts) + constant
        difference = np.abs(contributions.sum(axis=1) - outputs) / np.maximum(1.0, np.abs(outputs))
        return contributions if difference.max() <= TOLERANCE else None
