"""Commands that need no experiment if options name the input: `extract --slides DIR`, `curate --features DIR`."""

from __future__ import annotations

import json

from oceanpath.cli.experiments import LOCAL, print_status
from oceanpath.cli.options import Common
from oceanpath.pipeline.experiment import Experiment, without_file
from oceanpath.stages.catalog import CATALOG


def load_or_assume(common: Common, stage: str, *, enough: bool, assumed: tuple[str, ...] = ()) -> Experiment:
    """The experiment of the command, or one that consists of its options if they suffice.

    Args:
        common: The options.
        stage: The only stage of an experiment without a file.
        enough: Whether the options suffice for the stage. A named experiment, or ``oceanpath.toml`` in the current
        folder, takes precedence.
        assumed: ``KEY=VALUE`` that differ from the defaults of an experiment file; options of the user override them.
    """
    if common.experiment is not None or LOCAL.is_file() or not enough:
        return common.load()
    experiment = without_file(stage, CATALOG, (*assumed, *common.sets))
    keys = experiment.base.settings(CATALOG.stage(stage)).identity()
    shown = ", ".join(f"{key} = {json.dumps(value)}" for key, value in keys.items() if value not in (None, "", []))
    print_status(
        f"without an experiment file: {shown}; change a value with --set {stage}.KEY=VALUE", quiet=common.quiet
    )
    return experiment


def sets_key(common: Common, key: str) -> bool:
    """Whether the command line sets this key."""
    return any(pair.startswith(f"{key}=") for pair in common.sets)
