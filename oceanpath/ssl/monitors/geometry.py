"""How embeddings of slides, and of views of the same slide, are distributed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def unit(z: Floats) -> Floats:
    """Rows [..., D] of length 1; zero rows stay zero."""
    norms: Floats = np.linalg.norm(z, axis=-1, keepdims=True)
    scaled: Floats = z / np.maximum(norms, 1e-12)
    return scaled


def spread(z: Floats) -> float:
    """Mean standard deviation over dimensions of embeddings [N, D]."""
    return float(z.std(axis=0).mean())


def mean_cosine(z: Floats) -> float:
    """Mean cosine of different rows of embeddings [N, D], N ≥ 2."""
    total = unit(z).sum(axis=0)
    return float((total @ total - len(z)) / (len(z) * (len(z) - 1)))


def alignment(a: Floats, b: Floats) -> float:
    """Mean squared distance of two normalised views [N, D] of the same slides (Wang and Isola, ICML 2020)."""
    return float(((unit(a) - unit(b)) ** 2).sum(axis=1).mean())


def uniformity(z: Floats) -> float:
    """Logarithm of the mean of exp(-2 d²) over different normalised rows [N, D] (Wang and Isola, ICML 2020)."""
    rows = unit(z)
    distances = 2.0 - 2.0 * (rows @ rows.T)
    others = ~np.eye(len(z), dtype=bool)
    return float(np.log(np.exp(-2.0 * distances[others]).mean()))


def neighbour_consistency(a: Floats, b: Floats) -> float:
    """Share of slides whose second view is the nearest second view of their first one, by cosine; ties count as no."""
    similarity = unit(a) @ unit(b).T
    own = similarity.diagonal().copy()
    np.fill_diagonal(similarity, -np.inf)
    return float((own > similarity.max(axis=1)).mean())
