"""`oceanpath bench plan`: what cohorts of several sizes need on a cluster."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from oceanpath.cli.options import JSON, flag, signed
from oceanpath.errors import ExitCode, ExperimentError

FLAGS = (
    flag("slides", str, "1000,10000,100000,1000000", "Numbers of slides, separated by commas."),
    flag("patches", int, 4400, "Mean number of patches per slide.", min=1),
    flag("dim", int, 1024, "Length of a patch feature.", min=1),
    flag("chunk", int, 25, "Slides per array task.", min=1),
    flag("array", int, 1000, "Largest number of tasks per array.", min=1),
    flag("nodes", int, 8, "Number of nodes.", min=1),
    flag("rate", float, 400.0, "Patches per second and node.", min=0.001),
    flag("disk_mb_s", float, 1000.0, "Read bandwidth of the file system per node in MB/s.", min=0.001),
    flag("memory_gb", float, 256.0, "Memory per node in GB.", min=0.001),
    flag("link_mb_s", float, 100.0, "Bandwidth of object storage per node in MB/s.", min=0.001),
    JSON,
)


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("plan")(signed(plan, FLAGS))


def plan(slides: str, as_json: bool, **site: float) -> int:
    """Estimate tasks, time, store, ledger and limits of cohorts on a cluster, from measured constants."""
    if not all(word.strip().isdigit() and int(word) for word in slides.split(",")):
        raise ExperimentError("not a list of whole numbers from 1 on", where="--slides", got=slides)
    from oceanpath.bench.scale import Site, needs, needs_table

    rows = [needs(int(word), Site(**site)) for word in slides.split(",")]  # type: ignore[arg-type]  # typer checks types
    print(json.dumps([asdict(row) for row in rows], indent=2) if as_json else needs_table(rows))
    return int(ExitCode.OK)
