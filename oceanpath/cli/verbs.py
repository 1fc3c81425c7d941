"""`run`, and one command per stage, which runs the stage and everything that it needs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Container
from pathlib import Path

import typer

from oceanpath.cli.options import FILE, QUICKSTART, flag, verb
from oceanpath.cli.run import run, run_experiment
from oceanpath.stages.catalog import CATALOG

DETACH = flag("detach", bool, False, "Run in the background, and end this command.")
SBATCH = flag(
    "sbatch_only",
    Path | None,
    None,
    "Write one Slurm script per stage, with --jobs tasks for its parts, to be submitted by hand.",
    metavar="DIR",
)
MODEL = flag("model", str | None, None, "Aggregator; `oceanpath models list` shows them.", key="model.name")
STAGE_MODULES = {
    name: f"oceanpath.cli.{name}"
    for name in ("demo", "extract", "curate", "mmap", "pretrain", "audit", "eval", "export")
}
"""Stages whose command has its own module, with `call(common) -> int` and `FLAGS`."""
WITH_MODEL = ("train", "eval", "analyze", "export")


def names() -> list[str]:
    """`run` and the stages in the order of the pipeline."""
    return ["run", *(stage.name for stage in CATALOG.stages)]


def register(app: typer.Typer, needed: Container[str]) -> None:
    """Add these commands to `app`."""
    if "run" in needed:
        app.command("run", help=run.__doc__)(verb(run, (FILE, QUICKSTART, DETACH, SBATCH, MODEL)))
    for stage in CATALOG.stages:
        if stage.name in needed:
            app.command(stage.name, help=stage.doc)(_verb(stage.name))


def _verb(name: str) -> Callable[..., int]:
    """The command of a stage; its module, if any, is imported on demand."""
    model = (MODEL,) if name in WITH_MODEL else ()
    if name in STAGE_MODULES:
        module = importlib.import_module(STAGE_MODULES[name])
        return verb(module.call, (*module.FLAGS, *model))
    return verb(lambda common: run_experiment(common, (name,)), model)
