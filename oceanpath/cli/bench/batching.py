"""`oceanpath bench batching`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.bench.output import BenchResult, write_result
from oceanpath.cli.outputs import prepare_folders
from oceanpath.errors import ExperimentError, nearest


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("batching")(bench_batching)


def bench_batching(
    store: Annotated[Path, typer.Argument(help="Folder of the store that `oceanpath mmap` built.")],
    strategies: Annotated[str, typer.Option(help="Strategies, separated by commas; default: all nine.")] = "",
    augmentation: Annotated[bool, typer.Option("--augmentation", help="Measure also with augmentation.")] = False,
    max_slides: Annotated[int | None, typer.Option(min=1, help="Maximum number of slides.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Bags per batch.")] = 32,
    budget: Annotated[int, typer.Option(min=1, help="Rows per batch of strategies with a budget.")] = 32768,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for JSON, table and plot.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Compare the batching strategies of pretraining: time of an epoch, padding, sizes of batches, memory."""
    prepare_folders(out=out)
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.bench.batching import STRATEGIES, Workload, as_table, usable
    from oceanpath.bench.batching import bench_batching as measure

    requested = [name.strip() for name in strategies.split(",") if name.strip()] or list(STRATEGIES)
    if unknown := [name for name in requested if name not in STRATEGIES]:
        close = nearest(unknown[0], STRATEGIES)[:1] or STRATEGIES
        raise ExperimentError(
            "unknown batching strategy", where="--strategies", expected=", ".join(close), got=unknown[0]
        )
    opened = Store(store)
    refused = {name: reason for name, reason in usable(requested, opened.has_coords).items() if reason}
    if strategies and refused:
        raise ExperimentError("; ".join(refused.values()), where="--strategies")
    for name, reason in refused.items():
        print(f"{name} is skipped: {reason}", file=sys.stderr)
    numbers = list(range(len(opened)))[:max_slides]
    names = [name for name in requested if name not in refused]
    rows = list(measure(opened, names, numbers, augmentation, Workload(batch_size, budget)))
    facts = {"slides": len(numbers), "dim": opened.dim, "batch_size": batch_size, "budget": budget}
    result = BenchResult("batching", rows, facts, as_table(rows), ("epoch_seconds", "Seconds per epoch"))
    return write_result(result, out, as_json=as_json)
