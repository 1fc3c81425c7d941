"""`oceanpath demo`: render a cohort of slides, or with ``--dataset`` prepare a classic data set."""

from __future__ import annotations

from pathlib import Path

import typer

from oceanpath.cli.experiments import print_status
from oceanpath.cli.options import Common, Flag, flag
from oceanpath.cli.outputs import prepare_folder
from oceanpath.cli.run import run_experiment
from oceanpath.errors import ExitCode, ExperimentError

FLAGS = (
    Flag("source", Path | None, typer.Argument(None, metavar="FILE", help="File (.npz) of --dataset.")),
    flag("dataset", str, "", "Prepare musk1, musk2, elephant, fox or tiger from FILE instead of rendering slides."),
    flag("out", Path | None, None, "Folder for --dataset; default: its name.", metavar="DIR"),
)


def call(common: Common) -> int:
    """Render the cohort, or write the features, labels and experiment of a data set."""
    name, source = str(common.more["dataset"]), common.more["source"]
    if not name and source is None:
        return run_experiment(common, ("demo",))
    if not name or source is None:
        do = "For example: oceanpath demo --dataset musk1 musk1.npz"
        raise ExperimentError("--dataset and FILE belong together", where="demo", do=do)
    from oceanpath.proposals.classic_mil import SIZES, convert_classic_mil  # loads numpy

    out = Path(common.more["out"] or name)
    if name in SIZES:
        prepare_folder(out)
    experiment = convert_classic_mil(name, Path(source), out)
    print_status(f"{out}: features/, cohort.csv", quiet=common.quiet)
    print(f"oceanpath eval -e {experiment}")
    return int(ExitCode.OK)
