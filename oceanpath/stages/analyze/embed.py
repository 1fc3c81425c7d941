"""Slide embeddings of one model in two dimensions, by UMAP (McInnes, Healy and Melville 2018)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts import predictions
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError
from oceanpath.figures.embedding import draw_embedding
from oceanpath.figures.files import check_figure
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.stages.analyze.umap_import import import_umap
from oceanpath.tasks.registry import read_task

FOLD = 0
"""Embeddings of different folds come from different models and cannot be compared."""
FEWEST = 5
COLUMNS = ["slide_id", "umap_1", "umap_2", "label", "role", "fold"]


def map_slides(settings: AnalyzeSettings, train: Path, out: Path, selected: bool) -> str:
    """Write umap.parquet and umap.png of fold 0's model; returns "", or the reason if there are too few slides."""
    embeddings, ids = predictions.read_embeddings(train / f"fold_{FOLD}")
    if len(ids) < FEWEST:
        return f"{len(ids)} slides are too few for a map; at least {FEWEST} are needed"
    xy = flatten(embeddings, settings)
    table = ids.assign(umap_1=xy[:, 0], umap_2=xy[:, 1], fold=FOLD)[COLUMNS]
    write_table(table, out / "umap.parquet")
    strata = read_task(predictions.read_cv_results(train), train).strata(ids["label"].tolist())
    title = f"Slide embeddings, model of fold {FOLD}" + (" (selected)" if selected else "")
    groups = [strata.names[number] for number in strata.rows]
    draw_embedding(out / "umap.png", xy, groups, ids["role"].tolist(), strata.names, title)
    return ""


def flatten(embeddings: NDArray[np.float32], settings: AnalyzeSettings) -> NDArray[np.float32]:
    """Two coordinates [S, 2] of standardised embeddings [S, E]; the same for the same seed."""
    spread = embeddings.std(axis=0, dtype=np.float64)
    standard = (embeddings - embeddings.mean(axis=0, dtype=np.float64)) / np.where(spread > 0, spread, 1)
    reducer = import_umap().UMAP(
        n_neighbors=min(settings.umap_neighbors, len(embeddings) - 1),
        min_dist=settings.umap_min_dist,
        metric="minkowski",  # of order 2, so Euclidean, but by a loop: threaded products differ in their last bits,
        metric_kwds={"p": 2},  # which the layout would amplify into a different map
        init=start(standard, settings.seed),
        random_state=settings.seed,
        n_jobs=1,
    )
    flat: NDArray[np.float32] = reducer.fit_transform(standard.astype(np.float32)).astype(np.float32)
    return flat


def start(standard: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    """Initial coordinates [S, 2]: the first two principal axes, scaled to 10, rounded so that last bits have no effect.

    A little noise separates identical slides, and prevents a division by zero in UMAP for an axis without extent.
    """
    left, sizes, _ = np.linalg.svd(standard, full_matrices=False)
    axes = np.zeros((len(standard), 2))
    kept = min(2, len(sizes))
    axes[:, :kept] = left[:, :kept] * sizes[:kept]
    ends = axes[np.abs(axes).argmax(axis=0), np.arange(2)]
    signed = axes * np.where(ends < 0, -1, 1)  # the sign of an axis is arbitrary
    noise = np.random.default_rng(seed).normal(0, 0.01, axes.shape)
    coords = np.round(10 * signed / max(float(np.abs(axes).max()), 1e-9), 4) + noise
    return np.asarray(coords, np.float32)


def check_map(path: Path) -> None:
    """Read umap.parquet and check that its figure exists.

    Raises: ArtifactError: wrong columns, a duplicate slide, a coordinate that is not finite, or no figure.
    """
    table = read_table(path / "umap.parquet")
    if list(table.columns) != COLUMNS or table["slide_id"].duplicated().any():
        raise ArtifactError("umap.parquet does not have one row per slide", where=path, expected=COLUMNS)
    if not np.isfinite(table[["umap_1", "umap_2"]].to_numpy(np.float64)).all():
        raise ArtifactError("a coordinate is not finite", where=path / "umap.parquet")
    check_figure(path / "umap.png")
