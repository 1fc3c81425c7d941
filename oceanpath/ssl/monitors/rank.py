"""How many dimensions embeddings use. All depend on the number of rows, so compare values for equal N only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def rankme(z: Floats) -> float:
    """RankMe of embeddings [N, D]: Garrido et al., ICML 2023, equation 1, of centred embeddings.

        exp(-Σ p_k log p_k),  p_k = σ_k / Σ σ + 1e-7,  σ the singular values

    At most min(N - 1, D). The paper does not centre; uncentred, the common mean of ReLU embeddings hides the rest.
    """
    values = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    return _effective(values, 1e-7)


def alpha_req(z: Floats) -> float:
    """α-ReQ of embeddings [N, D]: Agrawal et al., NeurIPS 2022: eigenvalue k of the covariance is about k^-α.

    A least-squares line of log eigenvalue against log k over the larger half of the positive eigenvalues, at least 3;
    NaN if there are fewer.
    """
    values = np.linalg.svd(z - z.mean(axis=0), compute_uv=False) ** 2 / max(1, len(z) - 1)
    values = values[values > 1e-10 * max(float(values[0]), 1e-300)]
    count = max(3, len(values) // 2)
    if len(values) < 3:
        return float("nan")
    slope = np.polyfit(np.log(np.arange(1, count + 1)), np.log(values[:count]), 1)[0]
    return float(-slope)


def lidar(views: Floats) -> float:
    """LiDAR of views [V, N, D] of N slides: Thilak et al., ICLR 2024, equations 1 and 2.

    The effective rank of the between-slide covariance after whitening by the within-slide covariance + 1e-4 I; at most
    min(N - 1, D).
    """
    count, slides, width = views.shape
    means = views.mean(axis=0)
    centred = means - means.mean(axis=0)
    between = centred.T @ centred / max(1, slides - 1)
    inner = (views - means).reshape(-1, width)
    within = inner.T @ inner / max(1, slides * (count - 1)) + 1e-4 * np.eye(width)
    scales, axes = np.linalg.eigh(within)
    whitening = axes / np.sqrt(scales)
    values = np.linalg.eigvalsh(whitening.T @ between @ whitening).clip(min=0)
    return _effective(values, 1e-8)


def _effective(values: Floats, epsilon: float) -> float:
    """Exponential of the entropy of values as shares of their sum; 0 where all are 0."""
    total = float(values.sum())
    if total <= 0:
        return 0.0
    shares = values / total + epsilon
    return float(np.exp(-(shares * np.log(shares)).sum()))
