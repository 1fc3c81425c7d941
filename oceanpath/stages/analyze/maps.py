"""Files of one explained slide: the map of its patches, their scores for viewers, and a sheet of patches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.patch_scores import PatchScores, write_geojson, write_patch_csv
from oceanpath.figures.heatmap import MapOptions, Signed
from oceanpath.figures.sheet import PatchRow, draw_sheet
from oceanpath.figures.slide_map import MappedPatches, draw_slide, thumbnail_of
from oceanpath.slides.patch_geometry import known_geometry, read_patches
from oceanpath.stages.analyze.explained import ExplainedSlide
from oceanpath.stages.analyze.settings import AnalyzeSettings

MAPS, PATCHES, SHEETS = "attention", "patches", "sheets"
SUMMED = "sum to the score"
"""Value of the key "contributions" in analysis.json, or the reason why there are none."""
TYPES = {"slide_id": "str", "x": "Int32", "y": "Int32", "attention": "float32", "contribution": "float64"}
"""Columns of attention.parquet, and their types."""
NO_PATCHES = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in TYPES.items()})


def table_of(slide: ExplainedSlide) -> pd.DataFrame:
    """The rows of attention.parquet of one slide."""
    n, coords, contributions = len(slide.features), slide.coords, slide.explanation.contributions
    missing = pd.array([pd.NA] * n, dtype="Int32")
    x, y = (missing, missing) if coords is None else (pd.array(coords[:, i], dtype="Int32") for i in (0, 1))
    attention = slide.explanation.attention
    parts = np.full(n, np.nan) if contributions is None else contributions
    return pd.DataFrame(
        {"slide_id": [slide.slide_id] * n, "x": x, "y": y, "attention": attention, "contribution": parts}
    )


def draw_map(slide: ExplainedSlide, extract: Path | None, title: str, out: Path, vector: bool) -> str:
    """Draw a slide over its thumbnail, at its coordinates, or sorted: returns "thumbnail", "places" or "order".

    Args:
        slide: The slide.
        extract: Folder of thumbnails.
        title: Title of the figure.
        out: Folder of the stage.
        vector: Whether PDF and SVG are written too.
    """
    contributions = slide.explanation.contributions
    signed = None if contributions is None else Signed(contributions, slide.explanation.explained.name)
    thumbnail = extract and extract / thumbnail_of(slide.slide_id)
    patches = MappedPatches(slide.explanation.attention, slide.coords, slide.known_side, slide.meta, thumbnail)
    return draw_slide(out / MAPS / f"{slide.slide_id}.png", patches, title, MapOptions(signed, vector))


def write_scores(slide: ExplainedSlide, settings: AnalyzeSettings, out: Path) -> list[str]:
    """Write patches/<slide_id>.csv and .geojson.gz, and return their names; none if coordinates or size are unknown."""
    geometry = known_geometry(slide.slide, slide.meta, slide.known_side)
    if slide.coords is None or geometry is None:
        return []
    explanation, alone = slide.explanation, slide.explanation.alone
    scores: dict[str, NDArray[np.floating]] = {"attention": explanation.attention}
    if explanation.contributions is not None and alone is not None:
        scores["contribution"] = explanation.contributions
        scores |= dict(zip(slide.explainer.objective.task.columns, alone.T, strict=True))
    patches = PatchScores(slide.slide_id, slide.coords, geometry.footprint, scores, geometry.origin)
    names = [f"{PATCHES}/{slide.slide_id}{suffix}" for suffix in (".csv", ".geojson.gz")]
    write_patch_csv(out / names[0], patches)
    write_geojson(out / names[1], patches.strongest(slide.map_name, at_least=settings.patch_threshold))
    return names


def write_sheet(slide: ExplainedSlide, count: int, title: str, out: Path) -> str:
    """Draw the patches with the largest and the smallest scores, and return the name of the PNG; "" without a slide."""
    if slide.slide is None or slide.meta is None or slide.coords is None or not count:
        return ""
    order = np.argsort(-slide.map_scores, kind="stable")
    top = order[:count]
    bottom = order[max(len(top), len(order) - count) :][::-1]
    images = read_patches(slide.slide, slide.meta, slide.coords[np.concatenate([top, bottom])])
    name = f"{SHEETS}/{slide.slide_id}.png"
    what = "attention" if slide.map_name == "attention" else f"contribution to the {slide.explanation.explained.name}"
    rows = [
        PatchRow(f"{kind} {what}", own, slide.map_scores[numbers].tolist())
        for kind, own, numbers in (("Largest", images[: len(top)], top), ("Smallest", images[len(top) :], bottom))
        if len(numbers)
    ]
    draw_sheet(out / name, rows, title)
    return name


def facts_of(slide: ExplainedSlide) -> dict[str, Any]:
    """What analysis.json states about the prediction and its explanation."""
    row, explanation = slide.row, slide.explanation
    facts = {name: row[name] for name in ("slide_id", "label", "decided", "certainty", "kind", "fold")}
    facts |= {"patches": len(slide.features), "explained": explanation.explained.name, "score": explanation.score}
    return facts | {"contributions": slide.reason or SUMMED}
