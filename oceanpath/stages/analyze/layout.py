"""Two coordinates of embeddings: principal components, UMAP (McInnes et al. 2018) or t-SNE (van der Maaten 2008)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.stages.analyze.umap_import import import_umap

Floats = NDArray[np.float64]
NAMES = {"pca": "PC", "umap": "UMAP", "tsne": "t-SNE"}
"""`analyze.embedding` → name of its axes."""
MOST_FOR_TSNE = 3000
"""Slides above which t-SNE uses the approximation of Barnes and Hut."""


def flatten(embeddings: NDArray[np.floating], settings: AnalyzeSettings) -> NDArray[np.float32]:
    """Two coordinates [S, 2] of standardised embeddings [S, E]; the same for the same seed."""
    standard = standardised(embeddings)
    if settings.embedding == "umap":
        return _umap(standard, settings)
    if settings.embedding == "tsne":
        return _tsne(standard, settings)
    return principal(standard).astype(np.float32)


def standardised(embeddings: NDArray[np.floating]) -> Floats:
    """Embeddings [S, E] with mean 0 and standard deviation 1; a constant dimension stays 0."""
    spread = embeddings.std(axis=0, dtype=np.float64)
    centred = embeddings - embeddings.mean(axis=0, dtype=np.float64)
    standard: Floats = centred / np.where(spread > 0, spread, 1)
    return standard


def principal(centred: Floats) -> Floats:
    """The first two principal components [S, 2], with the largest coordinate of each positive.

    Rounded to four decimals of the largest coordinate, so that last bits have no effect.
    """
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    axes = np.zeros((len(centred), 2))
    kept = min(2, len(sizes))
    axes[:, :kept] = left[:, :kept] * sizes[:kept]
    ends = axes[np.abs(axes).argmax(axis=0), np.arange(2)]
    signed = axes * np.where(ends < 0, -1, 1)  # the sign of an axis is arbitrary
    unit = max(float(np.abs(axes).max()), 1e-9)
    return np.asarray(np.round(signed / unit, 5) * np.round(unit, 4))


def start(standard: Floats, seed: int) -> NDArray[np.float32]:
    """Initial coordinates [S, 2] of UMAP and t-SNE: principal components, scaled to 10.

    A little noise separates identical slides, and prevents a division by zero in UMAP for an axis without extent.
    """
    axes = principal(standard)
    noise = np.random.default_rng(seed).normal(0, 0.01, axes.shape)
    coords = np.round(10 * axes / max(float(np.abs(axes).max()), 1e-9), 4) + noise
    return np.asarray(coords, np.float32)


def _umap(standard: Floats, settings: AnalyzeSettings) -> NDArray[np.float32]:
    reducer = import_umap().UMAP(
        n_neighbors=min(settings.umap_neighbors, len(standard) - 1),
        min_dist=settings.umap_min_dist,
        metric="minkowski",  # of order 2, so Euclidean, but by a loop: threaded products differ in their last bits,
        metric_kwds={"p": 2},  # which the layout would amplify into a different map
        init=start(standard, settings.seed),
        random_state=settings.seed,
        n_jobs=1,
    )
    flat: NDArray[np.float32] = reducer.fit_transform(standard.astype(np.float32)).astype(np.float32)
    return flat


def _tsne(standard: Floats, settings: AnalyzeSettings) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE  # only if it is chosen: takes half a second to import
    from threadpoolctl import threadpool_limits

    reducer = TSNE(
        perplexity=min(30.0, max(1.0, (len(standard) - 1) / 3)),
        init=start(standard, settings.seed) / 1e5,  # as small as scikit-learn scales its own
        method="exact" if len(standard) <= MOST_FOR_TSNE else "barnes_hut",
        random_state=settings.seed,
    )
    with threadpool_limits(1):  # sums over threads would differ in their last bits
        flat: NDArray[np.float32] = reducer.fit_transform(standard).astype(np.float32)
    return flat
