"""Maps, scores, curves and localisation of test slides, by the models that tested them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts import predictions
from oceanpath.artifacts.patient_bags import one_row_per_slide, read_patient_bags
from oceanpath.artifacts.tables import open_table, read_row_groups, table_columns
from oceanpath.errors import ArtifactError
from oceanpath.figures.files import check_figure
from oceanpath.figures.slide_map import thumbnail_of
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.stages.analyze import deletion, localisation
from oceanpath.stages.analyze.explained import ExplainedSlide, explain
from oceanpath.stages.analyze.maps import (
    MAPS,
    NO_PATCHES,
    PATCHES,
    SHEETS,
    TYPES,
    draw_map,
    facts_of,
    table_of,
    write_scores,
    write_sheet,
)
from oceanpath.stages.analyze.regions import read_regions
from oceanpath.stages.analyze.selection import pick_slides, review, spread
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.registry import read_task

TABLE = "attention.parquet"
WRONG_SLIDES = "the table does not contain exactly the slides that were drawn, each in one row group"
WRONG_ATTENTION = "attention is negative or does not sum to 1"
WRONG_SUM = "contributions do not sum to the score"
SUM_TOLERANCE = 1e-5


@dataclass
class Explained:
    """What was computed from the explained slides."""

    facts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Drawn slide or patient → the object of each of its slides in analysis.json."""
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
    is_drawn, curved = set(drawn["slide_id"]), set(spread(tested, settings.deletion_slides))
    slides = one_row_per_slide(tested.assign(bag=tested["slide_id"]), read_patient_bags(train))
    labels = dict(zip(slides["slide_id"], slides["label"], strict=True))
    regions = read_regions(inputs.get("demo"), settings.regions, labels)
    annotated = slides.loc[slides["slide_id"].isin(regions), "bag"]
    needed = tested[tested["slide_id"].isin({*is_drawn, *curved, *annotated})]
    _prepare(inputs, slides.loc[slides["bag"].isin(is_drawn), "slide_id"].tolist(), out)
    progress.start(len(needed), "slides")
    found = Explained()
    # sums over threads would differ in their last bits; rows are written per slide: together they may exceed the memory
    with torch_threads(1), open_table(out / TABLE, NO_PATCHES) as append:
        for bag in explain(settings, inputs, needed):
            if bag.whole.slide_id in is_drawn:
                for slide in bag.slides:
                    append(table_of(slide))
                    facts = _write(slide, settings, task, inputs.get("extract"), out) | bag.facts
                    found.facts.setdefault(bag.whole.slide_id, []).append(facts)
            if bag.whole.slide_id in curved:
                found.curves.append(deletion.slide_curves(bag.whole, settings.seed))
            located = [localisation.locate(slide, regions.get(slide.slide_id)) for slide in bag.slides]
            found.located += [one for one in located if one is not None]
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
    blocks: dict[str, Any] = {"attention": [facts for name in drawn for facts in found.facts[name]]}
    curves = sorted(found.curves, key=lambda one: one.slide_id)
    blocks["deletion"] = deletion.summarise(curves, settings.confidence) if curves else None
    if curves:
        deletion.draw(blocks["deletion"], out)
    located = sorted(found.located, key=lambda one: one.slide_id)
    blocks["localisation"] = localisation.summarise(located, settings.confidence) if located else None
    return blocks


def check_attention(path: Path, facts: Sequence[dict[str, Any]], vector: bool) -> None:
    """Read attention.parquet and check that every file exists; `vector`: whether maps have PDF and SVG.

    Raises: ArtifactError: the attention of a bag is negative or does not sum to 1, its contributions do not sum to its
        score, or a file is missing.
    """
    where, left = path / TABLE, {fact["slide_id"]: fact for fact in facts}
    bags: dict[str, list[tuple[float, float]]] = {}
    columns = table_columns(where)
    if columns != list(TYPES):
        raise ArtifactError("wrong columns", where=where, expected=list(TYPES), got=columns)
    for group in read_row_groups(where):
        for name, rows in group.groupby("slide_id"):
            if (fact := left.pop(name, None)) is None:
                raise ArtifactError(WRONG_SLIDES, where=where, got=name)
            _check_slide(path, fact, rows)
            parts = bags.setdefault(fact.get("bag", name), [])
            parts.append((float(rows["attention"].sum()), float(rows["contribution"].sum(skipna=False))))
    if left:
        raise ArtifactError(WRONG_SLIDES, where=where, got=f"nothing of {', '.join(left)}")
    scores = {fact.get("bag", fact["slide_id"]): fact["score"] for fact in facts}
    for name, parts in bags.items():
        _check_sums(where, name, parts, scores[name])
    for fact in facts if vector else ():
        check_figure(path / fact["picture"])


def _check_slide(path: Path, fact: dict[str, Any], rows: pd.DataFrame) -> None:
    if (rows["attention"] < 0).any():
        raise ArtifactError(WRONG_ATTENTION, where=path / TABLE, got=fact["slide_id"])
    if rows["contribution"].isna().any() and rows["contribution"].notna().any():
        raise ArtifactError(WRONG_SUM, where=path / TABLE, got=fact["slide_id"])
    for name in [*fact["scores"], *filter(None, [fact["picture"], fact["sheet"]])]:
        if not (path / name).is_file() or not (path / name).stat().st_size:
            raise ArtifactError("a file is missing or empty", where=path / name)


def _check_sums(where: Path, bag: str, slides: Sequence[tuple[float, float]], score: float) -> None:
    """Check the sums of attention and contributions over the slides of a bag; NaN where there are no contributions."""
    attention, contribution = (sum(part) for part in zip(*slides, strict=True))
    if not np.isclose(attention, 1, atol=1e-3):
        raise ArtifactError(WRONG_ATTENTION, where=where, got=bag)
    if not np.isnan(contribution) and not abs(contribution - score) <= SUM_TOLERANCE * max(1.0, abs(score)):
        raise ArtifactError(WRONG_SUM, where=where, got=bag)
