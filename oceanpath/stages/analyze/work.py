"""Analyze: draw slide embeddings and maps of patches, and compare variants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oceanpath.artifacts import metrics
from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError
from oceanpath.figures.files import check_figure
from oceanpath.figures.fonts import notice
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.analyze import compare, deletion, embed, localisation
from oceanpath.stages.analyze.attention import check_attention, explain_slides
from oceanpath.stages.analyze.maps import SUMMED
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
    progress.phase("compiling UMAP" if settings.embedding == "umap" else "slide embeddings")
    reason = embed.map_slides(settings, inputs["train"], out, selected)
    blocks = explain_slides(settings, inputs, out, progress)
    if missing_fonts := notice("analyze"):
        progress.note(missing_fonts)
    facts: dict[str, Any] = {"selected": selected, "slides": settings.slides}
    facts["embedding"] = {"method": settings.embedding, "drawn": not reason, "reason": reason}
    write_json(out / FILE, facts | blocks)
    return _summary(blocks, reason, compare.describe(compared, title) if compared else [])


def check(path: Path) -> None:
    """Read back everything below `path`.

    Raises: ArtifactError: a file is missing, damaged or not as the package describes.
    """
    try:
        facts = json.loads((path / FILE).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{FILE} cannot be read", where=path, got=error) from error
    if facts["embedding"]["drawn"]:
        embed.check_map(path)
    elif not facts["embedding"]["reason"]:
        raise ArtifactError("the map of slide embeddings is missing without a reason", where=path)
    check_attention(path, facts["attention"], facts["slides"] == "selected")
    if facts["deletion"] is not None:
        check_figure(path / deletion.FIGURE)
    if (path / compare.FILE).is_file():
        compare.read_comparison(path)


def _summary(blocks: dict[str, Any], reason: str, compared: list[str]) -> Summary:
    drawn = blocks["attention"]
    errors = sum(fact["kind"] == "error" for fact in drawn)
    lines = [f"no map of slide embeddings: {reason}" if reason else f"{embed.FIGURE}: slide embeddings of each fold"]
    lines.append(f"maps of patches of {len(drawn)} test slides, {errors} of them with a wrong prediction")
    lines += sorted({f"no contributions: {name}" for name in _reasons(drawn)})
    lines += [deletion.describe(blocks["deletion"])] if blocks["deletion"] else []
    lines += [localisation.describe(blocks["localisation"])] if blocks["localisation"] else []
    lines += compared
    counts = {"attention_slides": len(drawn), "compared": len(compared)}
    return Summary(tuple(lines), counts)


def _reasons(drawn: list[dict[str, Any]]) -> set[str]:
    return {fact["contributions"] for fact in drawn} - {SUMMED}
