"""Declaration of the split stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage
from oceanpath.stages.split.settings import SplitSettings

OF_FOLDS = tuple(key for key in SplitSettings.own_keys() if key not in ("merge", "drop"))
"""Keys that choose folds; all slides of an external cohort are tested."""
STAGE = Stage(
    name="split",
    version=4,
    settings="oceanpath.stages.split.settings:SplitSettings",
    work="oceanpath.stages.split.work:run",
    check="oceanpath.artifacts.folds:check",
    needs=("demo?", "mmap"),
    cohorts="also",
    not_in_cohorts=OF_FOLDS,
    self_checked=("mmap/*.bin",),
    preflight="oceanpath.stages.split.preflight:preflight",
    doc="Assign patients to training, validation and test sets.",
)
