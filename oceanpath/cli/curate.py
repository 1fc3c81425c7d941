"""`oceanpath curate`: the stage of an experiment, or the list of all files in a folder of features."""

from __future__ import annotations

from pathlib import Path

from oceanpath.cli.options import Common, flag
from oceanpath.cli.run import run_loaded_experiment
from oceanpath.cli.stand_alone import load_or_assume, sets_key

STAGE = "curate"
FLAGS = (
    flag("features", Path | None, None, "Folder of feature files, instead of an experiment.", key="data.features"),
    flag("min_patches", int | None, None, "Minimum number of patches of a slide.", key="curate.min_patches"),
)
WHOLE_FOLDER = ('curate.sources=["TCGA", "CPTAC", "other"]', "curate.min_patches=1")
"""Settings without an experiment: every file is listed."""


def call(common: Common) -> int:
    """List the slides of an experiment, or of a folder."""
    enough = sets_key(common, "data.features")
    experiment = load_or_assume(common, STAGE, enough=enough, assumed=WHOLE_FOLDER)
    return run_loaded_experiment(experiment, common, (STAGE,))
