"""`run`, and one verb a stage: bring this stage, and what it needs, up to date."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path

import typer

from oceanpath.cli import extract
from oceanpath.cli.options import FILE, flag, verb
from oceanpath.cli.run import bring
from oceanpath.cli.verify_store import VERIFY, verify_store
from oceanpath.stages.catalog import CATALOG

CONVENIENT = {
    "train": (flag("model", str | None, None, "Aggregator.", key="model.name"),),
    "curate": (
        flag("features", Path | None, None, "Folder of feature files.", key="data.features"),
        flag("min_patches", int | None, None, "Leave out slides with fewer patches.", key="curate.min_patches"),
    ),
}
"""Stage → flags that spell settings of it."""


def names() -> list[str]:
    """`run` and the stages, in flow order."""
    return ["run", *(stage.name for stage in CATALOG.stages)]


def register(app: typer.Typer, wanted: Container[str]) -> None:
    """Give `app` those of the verbs that are wanted."""
    if "run" in wanted:
        app.command("run", help="Bring every stage of an experiment up to date.")(verb(bring, (FILE,)))
    for stage in CATALOG.stages:
        if stage.name in wanted:
            app.command(stage.name, help=stage.doc)(_verb(stage.name))


def _verb(name: str) -> Callable[..., int]:
    if name == extract.STAGE:
        return verb(extract.extract, extract.FLAGS)
    if name == "mmap":
        return verb(lambda common: verify_store(common) if common.more["verify"] else bring(common, ("mmap",)), VERIFY)
    return verb(lambda common: bring(common, (name,)), CONVENIENT.get(name, ()))
