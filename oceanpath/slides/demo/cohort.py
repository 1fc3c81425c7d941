"""A rendered cohort on disk: slides, label table, and the ground truth."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.demo.canvas import draw_slide
from oceanpath.slides.demo.plan import SlidePlan
from oceanpath.slides.demo.texture import Texture

DRAWN_MPP = 0.5
COLUMNS = ("slide_id", "patient_id", "label", "site", "age", "sex")


def write_slide(plan: SlidePlan, textures: Mapping[str, Texture], folder: Path) -> Path:
    """Draw one slide and write `<slide_id>.svs` into `folder`; at a finer resolution the same area has more pixels."""
    pixels = draw_slide(plan, textures)
    if plan.mpp < DRAWN_MPP:
        side = round(plan.side * DRAWN_MPP / plan.mpp)
        pixels = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))
    path = folder / f"{plan.slide_id}.svs"
    write_aperio(path, pixels, plan.mpp)
    return path


def write_label_table(plans: list[SlidePlan], path: Path) -> None:
    """The label table, one row per slide, columns `COLUMNS`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerows([getattr(plan, name) for name in COLUMNS] for plan in plans)


def write_truth(plans: list[SlidePlan], path: Path) -> None:
    """The ground truth: {slide_id: {"mpp", "spots": [{"kind", "x", "y", "radius"}]}} in level-0 pixels."""
    truth = {}
    for plan in plans:
        zoom = DRAWN_MPP / plan.mpp
        spots = [asdict(spot) for spot in plan.spots]
        scaled = [spot | {name: round(spot[name] * zoom, 1) for name in ("x", "y", "radius")} for spot in spots]
        truth[plan.slide_id] = {"mpp": plan.mpp, "spots": scaled}
    path.write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n", encoding="utf-8")
