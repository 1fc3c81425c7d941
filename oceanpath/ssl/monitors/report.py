"""All monitors of one evaluation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.ssl.monitors import geometry, rank

Floats = NDArray[np.float64]
NAMES = (
    "rankme",
    "rankme_ratio",
    "alpha_req",
    "lidar",
    "std",
    "mean_cosine",
    "alignment",
    "uniformity",
    "neighbour_consistency",
)


def monitor(views: NDArray[np.floating]) -> dict[str, float]:
    """Values by name for two views [2, N, D] of N ≥ 2 slides. `rankme_ratio` is relative to min(N - 1, D)."""
    a, b = views.astype(np.float64)
    rankme = rank.rankme(a)
    return {
        "rankme": rankme,
        "rankme_ratio": rankme / min(len(a) - 1, a.shape[1]),
        "alpha_req": rank.alpha_req(a),
        "lidar": rank.lidar(np.stack([a, b])),
        "std": geometry.spread(a),
        "mean_cosine": geometry.mean_cosine(a),
        "alignment": geometry.alignment(a, b),
        "uniformity": geometry.uniformity(a),
        "neighbour_consistency": geometry.neighbour_consistency(a, b),
    }
