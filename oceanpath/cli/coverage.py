"""`oceanpath coverage`: the patches of each slide that a store kept, as a table and figures."""

from __future__ import annotations

import heapq
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.outputs import prepare_folder
from oceanpath.errors import ExitCode, ExperimentError

PROGRESS_SLIDES = 100
"""Number of slides between two lines of progress."""


def coverage(
    features: Annotated[Path, typer.Argument(help="Folder of the feature files from which the store was built.")],
    store: Annotated[Path, typer.Argument(help="Folder of the store that `oceanpath mmap` built.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for tables and maps.")] = Path(
        "outputs/coverage"
    ),
    only_capped: Annotated[
        bool, typer.Option("--only-capped", help="Skip slides whose patches were all kept.")
    ] = False,
    montage: Annotated[
        int, typer.Option(min=0, help="Number of slides in the overview of slides with the lowest coverage.")
    ] = 20,
    max_slides: Annotated[int | None, typer.Option(min=1, help="Maximum number of slides.")] = None,
    features_key: Annotated[
        str, typer.Option("--features-key", help="Name of the features array, if files contain several.")
    ] = "",
    maps: Annotated[bool, typer.Option("--maps/--no-maps", help="Draw a map of every slide.")] = True,
    as_json: JsonFlag = False,
) -> int:
    """Show which patches of each slide a capped store kept: maps, a table and a summary."""
    from oceanpath.api.feature_files import open_store
    from oceanpath.artifacts.features.folder import describe_unused, find_features
    from oceanpath.artifacts.store.coverage import coverage_of, write_coverage
    from oceanpath.figures.coverage import Map, coverage_map, draw_coverage

    built = open_store(store)
    stored = set(built.slide_ids)
    files = find_features(features)
    if others := describe_unused(features, files.values()):
        print(f"not read in {features}: {others}", file=sys.stderr)
    paths = {name: path for name, path in files.items() if name in stored}
    if not paths:
        raise ExperimentError("no feature file of this folder is in the store", where=features, expected=store)
    prepare_folder(out / "maps")
    rows: list[dict[str, object]] = []
    percents: list[float] = []
    worst: list[tuple[float, int, Map]] = []
    without_coords = 0
    for number, path in enumerate(list(paths.values())[:max_slides], 1):
        slide = coverage_of(path, built, features_key)
        without_coords += slide is None
        if slide is not None and not (only_capped and slide.kept.all()):
            rows.append(slide.row())
            percents.append(slide.percent)
            if maps or montage:
                slide_map = coverage_map(slide.slide_id, slide.coords, slide.kept, slide.mpp)
            if maps:
                draw_coverage(out / "maps" / f"{slide.slide_id.replace('/', '_')}.png", slide_map)
            if montage:
                keep = heapq.heappush if len(worst) < montage else heapq.heappushpop
                keep(worst, (-slide.percent, -number, slide_map))
        if number % PROGRESS_SLIDES == 0:
            print(f"coverage: {number} of {len(paths)} slides", file=sys.stderr, flush=True)
    write_coverage(out / "coverage.csv", rows)
    _draw_figures(out, percents, [kept for *_, kept in sorted(worst, key=lambda entry: entry[:2], reverse=True)])
    facts = _facts(out, [name for name in built.slide_ids if name not in paths], percents, without_coords)
    print_result("\n".join(_lines(facts)), facts, as_json=as_json)
    return int(ExitCode.OK)


def _draw_figures(out: Path, percents: list[float], worst: list[Any]) -> None:
    import numpy as np

    from oceanpath.figures.coverage import draw_montage, draw_summary

    if percents:
        draw_summary(out / "coverage_summary.png", np.array(percents))
    if worst:
        draw_montage(out / "coverage_worst.png", worst)


def _facts(out: Path, absent: list[str], percents: list[float], without_coords: int) -> dict[str, Any]:
    """The counts to print."""
    return {
        "slides": len(percents),
        "capped": sum(percent < 100 for percent in percents),
        "table": out / "coverage.csv",
        "lowest_percent": min(percents, default=None),
        "without_coords": without_coords,
        "absent": absent,
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    """Lines to print."""
    lines = [f"{facts['slides']} slides, {facts['capped']} capped -> {facts['table']}"]
    if facts["slides"]:
        lines.append(f"lowest: {facts['lowest_percent']:.1f} % of a slide's patches kept")
    if facts["without_coords"]:
        lines.append(f"{facts['without_coords']} slides without coordinates left out")
    if absent := facts["absent"]:
        lines.append(f"{len(absent)} slides of the store have no file in this folder, for example {absent[0]}")
    return lines
