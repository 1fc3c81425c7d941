"""`oceanpath bench ssl`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.bench.output import BenchResult, write_result
from oceanpath.cli.outputs import prepare_folders
from oceanpath.errors import ExperimentError


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("ssl")(bench_ssl)


def bench_ssl(
    sizes: Annotated[str, typer.Option(help="Patches of the slides, separated by commas.")] = "512,2048,4096,8192",
    dim: Annotated[int, typer.Option(min=8, help="Length of a patch feature.")] = 1024,
    views: Annotated[int, typer.Option(min=1, help="Views per measurement.")] = 24,
    bags: Annotated[int, typer.Option(min=1, help="Slides of the training step.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Number of measurements; the fastest is reported.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; with 1, CPU time is reliable.")] = 1,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for JSON, table and plot.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Measure views of pretraining by the size of the slide, and next to a training step of ABMIL in bfloat16."""
    try:
        numbers = [int(word) for word in sizes.split(",")]
    except ValueError as error:
        raise ExperimentError("not a list of whole numbers", where="--sizes", got=sizes) from error
    if min(numbers) < 16:
        raise ExperimentError("a slide is too small to be measured", where="--sizes", expected="at least 16", got=sizes)
    prepare_folders(out=out)
    import torch

    from oceanpath.bench.views import as_table, bench_step, bench_views

    torch.set_num_threads(threads)
    rows, step = bench_views(numbers, dim, views, rounds), bench_step(bags, dim, rounds)
    facts = {"dim": dim, "views": views, "bags": bags, "views_ms": round(step.views_ms), "step_ms": round(step.step_ms)}
    result = BenchResult("ssl", rows, facts, as_table(rows, step), ("cpu_ms", "CPU ms per view"))
    return write_result(result, out, as_json=as_json)
