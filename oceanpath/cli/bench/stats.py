"""`oceanpath bench stats`: speed of metrics and intervals."""

from __future__ import annotations

from pathlib import Path

import typer

from oceanpath.cli.bench.output import BenchResult, write_result
from oceanpath.cli.options import JSON, flag, signed
from oceanpath.cli.outputs import prepare_folders
from oceanpath.errors import ExperimentError

FLAGS = (
    flag("slides", str, "500,5000", "Numbers of slides, separated by commas."),
    flag("resamples", int, 2000, "Number of resamples.", min=100),
    flag("rounds", int, 3, "Rounds after a warm-up; the fastest is reported.", min=1),
    flag("out", Path | None, None, "Folder for JSON, table and plot.", metavar="DIR"),
    JSON,
)


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("stats")(signed(stats, FLAGS))


def stats(slides: str, resamples: int, rounds: int, out: Path | None, as_json: bool) -> int:
    """Compare metrics with intervals with a scikit-learn loop."""
    if not all(word.strip().isdigit() and int(word) >= 20 for word in slides.split(",")):
        raise ExperimentError("not a list of whole numbers from 20 on", where="--slides", got=slides)
    prepare_folders(out=out)
    from oceanpath.bench.stats_speed import bench_stats, stats_table

    costs = [cost for word in slides.split(",") for cost in bench_stats(int(word), resamples, rounds)]
    facts = {"resamples": resamples, "rounds": rounds}
    result = BenchResult("stats", costs, facts, stats_table(costs), ("cpu_ms", "CPU ms"))
    return write_result(result, out, as_json=as_json)
