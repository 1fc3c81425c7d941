"""Verbs that need no experiment where flags say what to read: `extract --slides DIR`, `curate --features DIR`."""

from __future__ import annotations

import json

from oceanpath.cli.experiments import LOCAL, say
from oceanpath.cli.options import Common
from oceanpath.pipeline.experiment import Experiment, without_file
from oceanpath.stages.catalog import CATALOG


def load_or_assume(common: Common, stage: str, *, enough: bool, assumed: tuple[str, ...] = ()) -> Experiment:
    """The experiment of the command, or one that consists of its flags where these are `enough`.

    Args:
        common: the flags.
        stage: the only stage of an experiment that no file describes.
        enough: whether the flags give all that the stage needs. An experiment that is named, or ``oceanpath.toml`` in
            this folder, is used nevertheless.
        assumed: ``KEY=VALUE`` where these differ from the defaults of an experiment file; the user's own win.
    """
    if common.experiment is not None or LOCAL.is_file() or not enough:
        return common.load()
    experiment = without_file(stage, CATALOG, (*assumed, *common.sets))
    keys = experiment.base.settings(CATALOG.stage(stage)).identity()
    shown = ", ".join(f"{key} = {json.dumps(value)}" for key, value in keys.items() if value not in (None, "", []))
    say(f"no experiment: {shown}; change one with --set {stage}.KEY=VALUE", quiet=common.quiet)
    return experiment


def sets_key(common: Common, key: str) -> bool:
    """Whether the command line gives a value to this key."""
    return any(pair.startswith(f"{key}=") for pair in common.sets)
