"""Maps of slide embeddings: one per fold, and one of all folds in common coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from oceanpath.artifacts import predictions
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError
from oceanpath.figures.embedding import EmbeddingPanel, draw_embeddings
from oceanpath.figures.files import check_figure
from oceanpath.stages.analyze.aligned import Embeddings, align, can_align
from oceanpath.stages.analyze.layout import NAMES, flatten
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.tasks.registry import read_task

FEWEST = 5
MOST_FOLDS = 6
"""Number of folds with a map; the aligned map has the test slides of these folds only."""
TABLE, FIGURE, ALIGNED = "embedding.parquet", "embedding.png", "embedding_aligned.png"
COLUMNS = ["slide_id", "fold", "role", "label", "axis_1", "axis_2", "aligned_1", "aligned_2"]


def map_slides(settings: AnalyzeSettings, train: Path, out: Path, selected: bool) -> str:
    """Write embedding.parquet and its figures; returns "", or the reason if there are too few slides."""
    folds = read_folds(train)
    fewest = min(len(ids) for ids, _ in folds.values())
    if fewest < FEWEST:
        return f"{fewest} slides are too few for a map; at least {FEWEST} are needed"
    common = align(folds) if can_align(folds) else {}
    tables = [_table(settings, fold, of_fold, common.get(fold)) for fold, of_fold in folds.items()]
    write_table(pd.concat(tables, ignore_index=True)[COLUMNS], out / TABLE)
    mark = " (selected)" if selected else ""
    _draw(settings, train, out, tables, mark)
    return ""


def read_folds(train: Path) -> dict[int, Embeddings]:
    """Fold → its slides and their embeddings, of the first folds; every slide is tested once by one of all folds."""
    count = int(predictions.read_cv_results(train)["folds"])
    folds = {}
    for fold in range(min(count, MOST_FOLDS)):
        embeddings, ids = predictions.read_embeddings(train / f"fold_{fold}")
        folds[fold] = (ids, embeddings)
    return folds


def _table(
    settings: AnalyzeSettings,
    fold: int,
    of_fold: Embeddings,
    common: np.ndarray[tuple[int, int], np.dtype[np.float64]] | None,
) -> pd.DataFrame:
    ids, embeddings = of_fold
    xy = flatten(embeddings, settings)
    at = np.full(xy.shape, np.nan) if common is None else common
    return ids.assign(fold=fold, axis_1=xy[:, 0], axis_2=xy[:, 1], aligned_1=at[:, 0], aligned_2=at[:, 1])


def _draw(settings: AnalyzeSettings, train: Path, out: Path, tables: list[pd.DataFrame], mark: str) -> None:
    task = read_task(predictions.read_cv_results(train), train)

    def panel(title: str, rows: pd.DataFrame, axes: list[str]) -> EmbeddingPanel:
        strata = task.strata(rows["label"].tolist())
        groups = [strata.names[number] for number in strata.rows]
        return EmbeddingPanel(title, rows[axes].to_numpy(np.float64), groups, rows["role"].tolist(), strata.names)

    own = [panel(f"Model of fold {table['fold'].iloc[0]}", table, ["axis_1", "axis_2"]) for table in tables]
    draw_embeddings(out / FIGURE, own, NAMES[settings.embedding], f"Slide embeddings{mark}")
    if tables[0]["aligned_1"].notna().all():
        tested = pd.concat(tables, ignore_index=True).query("role == 'test'")
        count = int(predictions.read_cv_results(train)["folds"])
        drawn = f"{count} folds" if count == len(tables) else f"the first {len(tables)} of {count} folds"
        alone = panel(f"Test slides of {drawn}", tested, ["aligned_1", "aligned_2"])
        draw_embeddings(out / ALIGNED, [alone], NAMES["pca"], f"Slide embeddings, folds aligned{mark}")


def check_map(path: Path) -> None:
    """Read embedding.parquet and check that its figures exist.

    Raises: ArtifactError: wrong columns, a duplicate slide of a fold, a coordinate that is not finite, or no figure.
    """
    table = read_table(path / TABLE)
    if list(table.columns) != COLUMNS or table.duplicated(["slide_id", "fold"]).any():
        raise ArtifactError(f"{TABLE} does not have one row per slide and fold", where=path, expected=COLUMNS)
    has_common = table["aligned_1"].notna().any()
    coords = table[COLUMNS[4:] if has_common else COLUMNS[4:6]]
    if not np.isfinite(coords.to_numpy(np.float64)).all():
        raise ArtifactError("a coordinate is not finite", where=path / TABLE)
    for figure in (FIGURE, *([ALIGNED] if has_common else [])):
        check_figure(path / figure)
