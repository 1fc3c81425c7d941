"""`oceanpath coverage`: which patches a store kept, slide by slide, in numbers and pictures."""

from __future__ import annotations

import heapq
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.errors import ExitCode, ExperimentError

EVERY = 100
"""Slides between two lines of progress."""


def coverage(
    features: Annotated[Path, typer.Argument(help="Folder of the feature files that the store was built from.")],
    store: Annotated[Path, typer.Argument(help="Folder of the store, as `oceanpath mmap` published it.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where tables and pictures go.")] = Path(
        "outputs/coverage"
    ),
    only_capped: Annotated[bool, typer.Option("--only-capped", help="Leave out slides that kept all.")] = False,
    montage: Annotated[int, typer.Option(min=0, help="Show so many of the worst slides side by side.")] = 20,
    max_slides: Annotated[int | None, typer.Option(min=1, help="Stop after so many slides.")] = None,
    maps: Annotated[bool, typer.Option("--maps/--no-maps", help="Draw a map of every slide.")] = True,
) -> int:
    """Maps of kept (green) and discarded (red) patches, a table, a summary, and the worst side by side."""
    from oceanpath.artifacts.coverage import coverage_of, write_coverage
    from oceanpath.artifacts.features import find_features, passed_over
    from oceanpath.artifacts.store import Store
    from oceanpath.figures.coverage import Map, coverage_picture, draw_coverage

    built = Store(store)
    stored = set(built.slide_ids)
    found = find_features(features)
    if others := passed_over(features, found.values()):
        print(f"not read in {features}: {others}", file=sys.stderr)
    paths = {name: path for name, path in found.items() if name in stored}
    if not paths:
        raise ExperimentError("no feature file of this folder is in the store", where=features, expected=store)
    (out / "maps").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    percents: list[float] = []
    worst: list[tuple[float, int, Map]] = []
    placeless = 0
    for number, path in enumerate(list(paths.values())[:max_slides], 1):
        seen = coverage_of(path, built)
        placeless += seen is None
        if seen is not None and not (only_capped and seen.kept.all()):
            rows.append(seen.row())
            percents.append(seen.percent)
            if maps or montage:
                picture = coverage_picture(seen.coords, seen.kept)
            if maps:
                draw_coverage(out / "maps" / f"{seen.slide_id.replace('/', '_')}.png", picture)
            if montage:
                keep = heapq.heappush if len(worst) < montage else heapq.heappushpop
                keep(worst, (-seen.percent, -number, Map(seen.slide_id, seen.percent, picture)))
        if number % EVERY == 0:
            print(f"coverage: {number} of {len(paths)} slides", file=sys.stderr, flush=True)
    write_coverage(out / "coverage.csv", rows)
    _pictures(out, percents, [kept for *_, kept in sorted(worst, key=lambda one: one[:2], reverse=True)])
    print("\n".join(_lines(out, built, paths, percents, placeless)))
    return int(ExitCode.OK)


def _pictures(out: Path, percents: list[float], worst: list[Any]) -> None:
    import numpy as np

    from oceanpath.figures.coverage import draw_montage, draw_summary

    if percents:
        draw_summary(out / "coverage_summary.png", np.array(percents))
    if worst:
        draw_montage(out / "coverage_worst.png", worst)


def _lines(out: Path, built: Any, paths: dict[str, Path], percents: list[float], placeless: int) -> list[str]:
    """What is printed."""
    capped = sum(percent < 100 for percent in percents)
    lines = [f"{len(percents)} slides, {capped} capped -> {out / 'coverage.csv'}"]
    lines += [f"lowest: {min(percents):.1f} % of a slide's patches kept"] if percents else []
    lines += [f"{placeless} slides without coordinates left out"] if placeless else []
    absent = [name for name in built.slide_ids if name not in paths]
    lines += [f"{len(absent)} slides of the store have no file here, first {absent[0]}"] if absent else []
    return lines
