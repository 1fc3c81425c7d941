"""Maps, scores, curves and localisation of test slides, by the models that tested them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts import predictions
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError
from oceanpath.figures.files import check_figure
from oceanpath.figures.slide_map import thumbnail_of
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.stages.analyze import deletion, localisation
from oceanpath.stages.analyze.explained import ExplainedSlide, explain
from oceanpath.stages.analyze.maps import (
    COLUMNS,
    MAPS,
    PATCHES,
    SHEETS,
    draw_map,
    facts_of,
    table_of,
    write_scores,
    write_sheet,
)
from oceanpath.stages.analyze.selection import pick_slides, review, spread
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.registry import read_task

SUM_TOLERANCE = 1e-5


@dataclass
class Explained:
    """What was computed from the explained slides."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Drawn slide → its object in analysis.json."""
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    curves: list[deletion.SlideCurves] = field(default_factory=list)
    located: list[localisation.Located] = field(default_factory=list)


def explain_slides(settings: AnalyzeSettings, inputs: Inputs, out: Path, progress: Progress) -> dict[str, Any]:
    """Write maps, scores and sheets of the drawn slides, attention.parquet and deletion.png.

    Args:
        settings: Which slides, and the device.
        inputs: Predictions and checkpoints, the store, and slides, thumbnails and slide sizes if there are any.
        out: Folder.
        progress: Counts slides.

    Returns: The keys "attention", "deletion" and "localisation" of analysis.json.
    """
    train = inputs["train"]
    results = predictions.read_cv_results(train)
    task = read_task(results, train)
    tested = review(predictions.read_oof(train, task).drop_duplicates("slide_id"), task)  # the first of several models
    drawn = pick_slides(tested, settings.attention_slides if settings.slides == "selected" else len(tested))
    curved = set(spread(tested, settings.deletion_slides))
    truth = localisation.read_truth(inputs.get("demo"))
    needed = tested[tested["slide_id"].isin({*drawn["slide_id"], *curved, *truth})]
    _prepare(inputs, drawn["slide_id"].tolist(), out)
    progress.start(len(needed), "slides")
    found = Explained()
    with torch_threads(1):  # sums over threads would differ in their last bits
        for slide in explain(settings, inputs, needed):
            if slide.slide_id in set(drawn["slide_id"]):
                found.tables[slide.slide_id] = table_of(slide)
                found.facts[slide.slide_id] = _write(slide, settings, task, inputs.get("extract"), out)
            if slide.slide_id in curved:
                found.curves.append(deletion.slide_curves(slide, settings.seed))
            if (one := localisation.locate(slide, truth.get(slide.slide_id, ()))) is not None:
                found.located.append(one)
            progress.advance()
    return _collect(found, drawn["slide_id"].tolist(), settings, out)


def _prepare(inputs: Inputs, drawn: Sequence[str], out: Path) -> None:
    for folder in (MAPS, PATCHES, SHEETS):
        (out / folder).mkdir()
    if (extract := inputs.get("extract")) is not None:
        inputs.check("extract", [name for name in map(thumbnail_of, drawn) if (extract / name).is_file()])
    if (demo := inputs.get("demo")) is not None:
        inputs.check("demo", [f"slides/{name}.svs" for name in drawn if (demo / f"slides/{name}.svs").is_file()])


def _write(
    slide: ExplainedSlide, settings: AnalyzeSettings, task: Task, extract: Path | None, out: Path
) -> dict[str, Any]:
    facts = facts_of(slide)
    title = f"{slide.slide_id}\n{task.caption(facts['label'], facts['decided'], facts['certainty'])}"
    over = draw_map(slide, extract, title, out, settings.slides == "selected")
    return facts | {
        "over": over,
        "picture": f"{MAPS}/{slide.slide_id}.png",
        "scores": write_scores(slide, settings, out),
        "sheet": write_sheet(slide, settings.sheet_patches, title, out),
    }


def _collect(found: Explained, drawn: Sequence[str], settings: AnalyzeSettings, out: Path) -> dict[str, Any]:
    empty = pd.DataFrame({name: [] for name in COLUMNS})
    table = pd.concat([found.tables[name] for name in drawn], ignore_index=True) if drawn else empty
    write_table(table, out / "attention.parquet")
    blocks: dict[str, Any] = {"attention": [found.facts[name] for name in drawn]}
    curves = sorted(found.curves, key=lambda one: one.slide_id)
    blocks["deletion"] = deletion.summarise(curves, settings.confidence) if curves else None
    if curves:
        deletion.draw(blocks["deletion"], out)
    located = sorted(found.located, key=lambda one: one.slide_id)
    blocks["localisation"] = localisation.summarise(located, settings.confidence) if located else None
    return blocks


def check_attention(path: Path, facts: Sequence[dict[str, Any]], vector: bool) -> None:
    """Read attention.parquet and check that every file exists; `vector`: whether maps have PDF and SVG.

    Raises: ArtifactError: a slide's attention is negative or does not sum to 1, its contributions do not sum to its
        score, or a file is missing.
    """
    table = read_table(path / "attention.parquet")
    if list(table.columns) != COLUMNS:
        raise ArtifactError("wrong columns", where=path / "attention.parquet", expected=COLUMNS)
    slides = dict(iter(table.groupby("slide_id")))
    if set(slides) != {fact["slide_id"] for fact in facts}:
        raise ArtifactError("attention.parquet does not contain exactly the slides that were drawn", where=path)
    for fact in facts:
        if vector:
            check_figure(path / fact["picture"])
        _check_slide(path, fact, slides[fact["slide_id"]])


def _check_slide(path: Path, fact: dict[str, Any], rows: pd.DataFrame) -> None:
    where = path / "attention.parquet"
    if (rows["attention"] < 0).any() or not np.isclose(rows["attention"].sum(), 1, atol=1e-3):
        raise ArtifactError("attention is negative or does not sum to 1", where=where, got=fact["slide_id"])
    if rows["contribution"].notna().any():
        off = abs(rows["contribution"].sum(skipna=False) - fact["score"])
        if not off <= SUM_TOLERANCE * max(1.0, abs(fact["score"])):
            raise ArtifactError("contributions do not sum to the score", where=where, got=fact["slide_id"])
    for name in [*fact["scores"], *filter(None, [fact["picture"], fact["sheet"]])]:
        if not (path / name).is_file() or not (path / name).stat().st_size:
            raise ArtifactError("a file is missing or empty", where=path / name)
