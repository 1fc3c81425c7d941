"""Draw the slides, and write the table and the ground truth."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.errors import ArtifactError, OceanPathError
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.slides.demo.cohort import COLUMNS, write_label_table, write_slide, write_truth
from oceanpath.slides.demo.plan import SlidePlan, plan_cohort
from oceanpath.slides.demo.texture import build_textures
from oceanpath.slides.reader import open_slide
from oceanpath.slides.threads import map_in_order
from oceanpath.stages.demo.settings import DemoSettings


def run(settings: DemoSettings, _: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the cohort below `out`; the same settings give the same bytes for any number of workers."""
    plans = plan_cohort(settings.slides, settings.side_px, settings.seed)
    textures = build_textures(settings.seed)
    folder = out / "slides"
    folder.mkdir()

    def draw_one(plan: SlidePlan) -> int:
        return write_slide(plan, textures, folder).stat().st_size

    progress.start(len(plans), "slides")
    size = 0
    for written in map_in_order(draw_one, plans, settings.workers):
        size += written
        progress.advance()
    write_label_table(plans, out / "cohort.csv")
    write_truth(plans, out / "truth.json")
    labels = Counter(plan.label for plan in plans)
    patients = len({plan.patient_id for plan in plans})
    counts = ", ".join(f"{count} {label}" for label, count in sorted(labels.items()))
    line = f"{len(plans)} slides of {patients} patients ({counts}), {size / 1e6:.0f} MB"
    return Summary((line,), {"slides": len(plans), "patients": patients, "megabytes": round(size / 1e6, 1)})


def check(path: Path) -> None:
    """Open every slide, and compare the slides with the table and the truth.

    Raises: ArtifactError: a slide does not open, its resolution is not that of the truth, or the three disagree.
    """
    try:
        table = pd.read_csv(path / "cohort.csv", dtype=str)
        truth = json.loads((path / "truth.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError("cohort.csv or truth.json cannot be read", where=path, got=error) from error
    slides = {slide_id(file): file for file in sorted((path / "slides").glob("*.svs"))}
    if tuple(table.columns) != COLUMNS or not set(table["slide_id"]) == set(slides) == set(truth):
        raise ArtifactError("slides, cohort.csv and truth.json do not agree", where=path)
    for name, file in slides.items():
        try:
            with open_slide(file) as reader:
                mpp = reader.mpp
                reader.read(0, 0, 0, 1, 1)
        except OceanPathError as error:
            raise ArtifactError("a written slide cannot be read", where=file, got=error) from error
        if abs(mpp.x - truth[name]["mpp"]) > 1e-6:
            raise ArtifactError(
                "the mpp of a slide is not that in truth.json", where=file, expected=truth[name]["mpp"], got=mpp.x
            )
