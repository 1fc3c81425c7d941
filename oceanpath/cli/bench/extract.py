"""`oceanpath bench extract`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.bench.output import BenchResult, write_result
from oceanpath.cli.outputs import prepare_folders


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("extract")(bench_extract)


def bench_extract(
    side: Annotated[int, typer.Option(min=2048, help="Side of the generated slide in pixels.")] = 20_000,
    patches: Annotated[int, typer.Option(min=1, help="Patches per measurement.")] = 512,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds after a warm-up; the fastest is reported.")] = 3,
    scratch: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the generated slide; default: the temporary folder.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for JSON, table and plot.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Compare reading patches with OpenSlide, and time an extraction."""
    prepare_folders(out=out, scratch=scratch)
    from oceanpath.bench.extract import (
        bench_extraction,
        bench_reading,
        costs_table,
        largest_difference,
        write_bench_slide,
    )

    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        slide = Path(folder) / "bench.svs"
        write_bench_slide(slide, side)
        size = slide.stat().st_size
        costs = bench_reading(slide, patches, rounds) + bench_extraction(slide, Path(folder) / "features", rounds)
        difference = largest_difference(slide, patches)
    facts = {"side_px": side, "slide_bytes": size, "rounds": rounds, "largest_difference_to_openslide": difference}
    table = f"{costs_table(costs)}\n\nlargest difference from the pixels of OpenSlide: {difference}"
    result = BenchResult("extract", costs, facts, table, ("cpu_ms", "CPU ms per patch"))
    return write_result(result, out, as_json=as_json)
