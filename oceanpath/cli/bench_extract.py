"""`oceanpath bench extract`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.errors import ExitCode


def register(app: typer.Typer) -> None:
    """Give `app` this verb."""
    app.command("extract")(bench_extract)


def bench_extract(
    side: Annotated[int, typer.Option(min=2048, help="Pixels of the slide that is made, a side.")] = 20_000,
    patches: Annotated[int, typer.Option(min=1, help="Patches that are read in each way.")] = 512,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds after one to warm up; the cheapest counts.")] = 3,
    scratch: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the slide is made.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where JSON, table and plot go.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Patches of a 40x slide at 20x: reading them beside OpenSlide, and extraction from end to end."""
    from oceanpath.bench.extract import as_table, bench_extraction, bench_reading, largest_difference, write_bench_slide

    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        slide = Path(folder) / "bench.svs"
        write_bench_slide(slide, side)
        size = slide.stat().st_size
        costs = bench_reading(slide, patches, rounds) + bench_extraction(slide, Path(folder) / "features", rounds)
        apart = largest_difference(slide, patches)
    facts = {"side_px": side, "slide_bytes": size, "rounds": rounds, "largest_difference_to_openslide": apart}
    table = f"{as_table(costs)}\n\nlargest difference to OpenSlide's pixels: {apart}"
    _tell(costs, facts, table, out, as_json=as_json)
    return int(ExitCode.OK)


def _tell(costs: list[Any], facts: dict[str, int], table: str, out: Path | None, *, as_json: bool) -> None:
    from dataclasses import asdict

    from oceanpath.figures.bars import draw_bars

    said = json.dumps({**facts, "rows": [asdict(cost) for cost in costs]}, indent=2)
    print(said if as_json else table)
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    (out / "extract.json").write_text(said + "\n", encoding="utf-8")
    (out / "extract.md").write_text(table + "\n", encoding="utf-8")
    groups: dict[str, dict[str, float]] = {}
    for cost in costs:
        groups.setdefault(cost.case, {})[cost.way] = cost.cpu_ms
    draw_bars(out / "extract.png", groups, "CPU-ms a patch")
