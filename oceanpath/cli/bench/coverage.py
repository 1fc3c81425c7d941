"""`oceanpath bench coverage`: coverage of confidence intervals by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from oceanpath.cli.bench.output import BenchResult, write_result
from oceanpath.cli.options import JSON, Flag, flag, signed
from oceanpath.cli.outputs import prepare_folders
from oceanpath.errors import ExperimentError

OUT = flag("out", Path | None, None, "Folder for JSON, table and plot.", metavar="DIR")
FLAGS: tuple[Flag, ...] = (
    flag(
        "methods",
        str,
        "logit_delong",
        "Methods for AUROC, or wilson (proportions), metrics (all others), difference, cross_validation; with commas.",
    ),
    flag("cohorts", int, 5000, "Number of cohorts per design.", min=10),
    flag("patients", str, "20,40,60,100,300", "Numbers of patients, separated by commas."),
    flag("resamples", int, 500, "Number of resamples of the methods that need them.", min=100),
    flag("shape", str, "normal", "Distribution of the scores: normal or exponential."),
    flag("seed", int, 1, "Seed of the cohorts.", min=0),
    OUT,
    JSON,
)


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("coverage")(signed(coverage, FLAGS))


def coverage(
    methods: str,
    cohorts: int,
    patients: str,
    resamples: int,
    shape: str,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> int:
    """Simulate how often confidence intervals of the AUROC and of proportions contain the true value."""
    prepare_folders(out=out)
    from oceanpath.bench.coverage import (
        DIFFERENCE,
        METHODS,
        METRICS,
        PATIENTS,
        REFITTED,
        SHAPES,
        Simulation,
        coverage_table,
        verdicts,
    )
    from oceanpath.bench.difference_coverage import cover_differences
    from oceanpath.bench.metric_coverage import cover_metrics
    from oceanpath.bench.refitted import cover_refitted

    names = methods.split(",")
    _refuse_unknown(names, METHODS, "--methods")
    _refuse_unknown([shape], SHAPES, "--shape")
    _refuse_unknown(patients.split(","), [str(n) for n in PATIENTS], "--patients")
    rows = Simulation(names, cohorts, resamples, seed).run([int(n) for n in patients.split(",")], shape)
    if METRICS in names:
        rows += cover_metrics(cohorts, resamples, seed)
    if DIFFERENCE in names:
        rows += cover_differences(cohorts, resamples, seed)
    if REFITTED in names:
        rows += cover_refitted(cohorts, seed)
    summary = "\n".join(f"{name}: {counted}" for name, counted in verdicts(rows).items())
    table = f"{coverage_table(rows)}\n\nnumber of designs\n{summary}"
    result = BenchResult("coverage", rows, {"cohorts": cohorts, "seed": seed}, table, None)
    return write_result(result, out, as_json=as_json)


def _refuse_unknown(words: Sequence[str], known: Sequence[str], where: str) -> None:
    if unknown := [word for word in words if word not in known]:
        raise ExperimentError("unknown value", where=where, expected=", ".join(known), got=unknown[0])
