"""Analyze: draw slide embeddings and attention maps, and compare variants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oceanpath.artifacts import metrics
from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError
from oceanpath.figures.fonts import notice
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.analyze import compare
from oceanpath.stages.analyze.attention import check_attention, draw_slides
from oceanpath.stages.analyze.embed import check_map, map_slides
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.tasks.registry import read_task

FILE = "analysis.json"
SEEN = "seen_in_pretraining"
"""Key of the number of tested patients that were used for pretraining, in metrics.json and comparison.json."""


def run(settings: AnalyzeSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the figures, their tables and, if there are several variants, comparison.json below `out`.

    Raises: StageError: variants cannot be compared. ArtifactError: an input is damaged.
    """
    evaluated = metrics.read_metrics(inputs["eval"])
    selected, title = bool(evaluated["selected"]), read_task(evaluated, inputs["eval"]).main_title
    compared = compare.compare_variants(settings, inputs["train"], inputs.across.get("train", {}), selected)
    if compared is not None:
        compared |= {SEEN: seen} if (seen := evaluated.get(SEEN)) else {}
        compare.write_comparison(compared, out)
    progress.phase("compiling UMAP")
    reason = map_slides(settings, inputs["train"], out, selected)
    drawn = draw_slides(settings, inputs, out, progress)
    if missing_fonts := notice("analyze"):
        progress.note(missing_fonts)
    facts = {"selected": selected, "umap": {"drawn": not reason, "reason": reason}, "attention": drawn}
    write_json(out / FILE, facts)
    return _summary(drawn, reason, compare.describe(compared, title) if compared else [])


def check(path: Path) -> None:
    """Read back everything below `path`.

    Raises: ArtifactError: a file is missing, damaged or not as the package describes.
    """
    try:
        facts = json.loads((path / FILE).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{FILE} cannot be read", where=path, got=error) from error
    if facts["umap"]["drawn"]:
        check_map(path)
    elif not facts["umap"]["reason"]:
        raise ArtifactError("the map of slide embeddings is missing without a reason", where=path)
    check_attention(path, facts["attention"])
    if (path / compare.FILE).is_file():
        compare.read_comparison(path)


def _summary(drawn: list[dict[str, Any]], reason: str, compared: list[str]) -> Summary:
    errors = sum(fact["kind"] == "error" for fact in drawn)
    lines = [f"no UMAP: {reason}" if reason else "umap.png: slide embeddings of fold 0's model"]
    lines.append(f"attention maps of {len(drawn)} test slides, {errors} of them with a wrong prediction")
    lines += compared
    counts = {"attention_slides": len(drawn), "compared": len(compared)}
    return Summary(tuple(lines), counts)
