"""`oceanpath bench train`: speed of training."""

from __future__ import annotations

import tempfile
from pathlib import Path

import typer

from oceanpath.cli.bench.output import BenchResult, write_result
from oceanpath.cli.options import JSON, flag, signed
from oceanpath.cli.outputs import prepare_folders

FLAGS = (
    flag("slides", int, 958, "Number of bags.", min=20),
    flag("median", int, 42, "Median number of patches per bag.", min=1),
    flag("dim", int, 192, "Length of a patch feature.", min=1),
    flag("folds", int, 5, "Number of folds.", min=2),
    flag("epochs", int, 20, "Epochs per fold.", min=1),
    flag("batch_size", int, 4, "Bags per step.", min=1),
    flag("out", Path | None, None, "Folder for JSON, table and plot.", metavar="DIR"),
    JSON,
)


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("train")(signed(train, FLAGS))


def train(  # one argument per flag
    slides: int, median: int, dim: int, folds: int, epochs: int, batch_size: int, out: Path | None, as_json: bool
) -> int:
    """Compare cross-validated training of ABMIL with a plain torch loop; the defaults are the bags of TCGA lung."""
    prepare_folders(out=out)
    from oceanpath.bench.train import CohortSize, bench_train, train_table
    from oceanpath.stages.train.settings import TrainSettings

    settings = TrainSettings(epochs=epochs, batch_size=batch_size)
    with tempfile.TemporaryDirectory() as scratch:
        costs = bench_train(Path(scratch), CohortSize(slides, median, dim, folds), settings)
    facts = {"slides": slides, "median": median, "dim": dim, "folds": folds, "epochs": epochs, "batch_size": batch_size}
    result = BenchResult("train", costs, facts, train_table(costs), ("cpu_ms", "CPU ms per step"))
    return write_result(result, out, as_json=as_json)
