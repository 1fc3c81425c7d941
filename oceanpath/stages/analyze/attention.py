"""Attention maps of the models that tested the slides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from oceanpath.artifacts import predictions
from oceanpath.artifacts.features.files import FeatureMeta, read_meta
from oceanpath.artifacts.store.reader import Store
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError
from oceanpath.figures.files import check_figure
from oceanpath.figures.heatmap import Backdrop, draw_coords, draw_heatmap, draw_sorted
from oceanpath.fit.device import pick_device
from oceanpath.fit.predict import predict_attention
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.registry import read_task

COLUMNS = ["slide_id", "x", "y", "attention"]
FOLDER = "attention"


def pick_slides(frame: pd.DataFrame, task: Task, count: int) -> pd.DataFrame:
    """The test rows to draw: half of them the worst errors, the others the most confident correct predictions.

    If there are too few of one kind, the other kind is used. Columns of `frame` and: decided (text), certainty (for
    classification the probability of the true class), kind ("error" or "correct"). Equal certainties are ordered by
    slide id.
    """
    review = task.review(frame["label"].tolist(), task.values(frame))
    kind = np.where(review.is_correct, "correct", "error")
    rows = frame.assign(decided=review.decided, certainty=review.certainty, kind=kind)
    errors = rows[rows["kind"] == "error"].sort_values(["certainty", "slide_id"])
    right = rows[rows["kind"] == "correct"].sort_values(["certainty", "slide_id"], ascending=[False, True])
    wrong = min(len(errors), max(count // 2, count - len(right)))
    return pd.concat([errors.head(wrong), right.head(count - wrong)], ignore_index=True)


def draw_slides(settings: AnalyzeSettings, inputs: Inputs, out: Path, progress: Progress) -> list[dict[str, Any]]:
    """Write one figure per slide and attention.parquet; returns one object per figure for analysis.json.

    Args:
        settings: Number of slides, and the device.
        inputs: Predictions and checkpoints, the store, and thumbnails and slide sizes if features were extracted.
        out: Folder.
        progress: Counts slides.
    """
    train, extract = inputs["train"], inputs.get("extract")
    results = predictions.read_cv_results(train)
    task = read_task(results, train)
    tested = predictions.read_oof(train, task).drop_duplicates("slide_id")  # of several models, the first one
    rows = pick_slides(tested, task, settings.attention_slides)
    store, device = Store(inputs["mmap"], check=inputs.verify), str(pick_device(settings.device))
    if extract is not None:
        inputs.check("extract", [name for slide in rows["slide_id"] for name in (f"{slide}.h5", _thumbnail_of(slide))])
    (out / FOLDER).mkdir()
    progress.start(len(rows), "slides")
    facts, tables = [], []
    for row in rows.to_dict("records"):
        number = store.number(row["slide_id"])
        coords = store.coords(number)
        checkpoint = train / f"fold_{row['fold']}/best.ckpt"
        with torch_threads(1):  # sums over threads would differ in their last bits
            attention = predict_attention(checkpoint, store.features(number), coords, device)
        tables.append(_table(row["slide_id"], coords, attention))
        fact = {name: row[name] for name in ("slide_id", "label", "decided", "certainty", "kind", "fold")}
        title = f"{fact['slide_id']}\n{task.caption(fact['label'], fact['decided'], fact['certainty'])}"
        over = _draw(fact["slide_id"], title, store, attention, extract, out)
        facts.append(fact | {"patches": len(attention), "over": over, "picture": f"{FOLDER}/{row['slide_id']}.png"})
        progress.advance()
    empty = _table("", None, np.empty(0, np.float32))
    write_table(pd.concat(tables, ignore_index=True) if tables else empty, out / "attention.parquet")
    return facts


def _table(slide: str, coords: NDArray[np.int32] | None, attention: NDArray[np.float32]) -> pd.DataFrame:
    coordinates = {
        axis: pd.array([pd.NA] * len(attention) if coords is None else coords[:, i], dtype="Int32")
        for i, axis in enumerate(("x", "y"))
    }
    return pd.DataFrame({"slide_id": [slide] * len(attention), **coordinates, "attention": attention})


def _draw(slide: str, title: str, store: Store, attention: NDArray[np.float32], extract: Path | None, out: Path) -> str:
    """Draw a slide over its thumbnail, at its coordinates, or sorted: returns "thumbnail", "places" or "order"."""
    path = out / FOLDER / f"{slide}.png"
    number = store.number(slide)
    coords = store.coords(number)
    if coords is None:
        draw_sorted(path, attention, title)
        return "order"
    meta = extract and _meta(extract, slide)
    if extract and meta:
        thumbnail = _thumbnail(extract, slide)
        backdrop = Backdrop(thumbnail, meta.level0_width, meta.level0_height, meta.mpp_x or None)
        draw_heatmap(path, coords, meta.footprint, attention, backdrop, title)
        return "thumbnail"
    side = float(store.index.patch_px_level0[number])
    draw_coords(path, coords, None if np.isnan(side) else (side, side), attention, title)
    return "places"


def _meta(extract: Path, slide: str) -> FeatureMeta | None:
    """None if there is no thumbnail."""
    exists = (extract / _thumbnail_of(slide)).is_file() and (extract / f"{slide}.h5").is_file()
    return read_meta(extract / f"{slide}.h5") if exists else None


def _thumbnail_of(slide: str) -> str:
    return f"thumbnails/{slide}.jpg"


def _thumbnail(extract: Path, slide: str) -> NDArray[np.uint8]:
    path = extract / _thumbnail_of(slide)
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise ArtifactError("the thumbnail cannot be read", where=path, got=error) from error


def check_attention(path: Path, facts: Sequence[dict[str, Any]]) -> None:
    """Read attention.parquet and check that every figure exists.

    Raises: ArtifactError: a slide's attention is negative or does not sum to 1, or a figure is missing.
    """
    table = read_table(path / "attention.parquet")
    if list(table.columns) != COLUMNS:
        raise ArtifactError("wrong columns", where=path / "attention.parquet", expected=COLUMNS)
    sums = table.groupby("slide_id")["attention"].sum() if len(table) else pd.Series(dtype=float)
    if set(sums.index) != {fact["slide_id"] for fact in facts}:
        raise ArtifactError("attention.parquet does not contain exactly the slides that were drawn", where=path)
    if (table["attention"] < 0).any() or not np.allclose(sums, 1, atol=1e-3):
        raise ArtifactError("attention is negative or does not sum to 1", where=path / "attention.parquet")
    for fact in facts:
        check_figure(path / fact["picture"])
