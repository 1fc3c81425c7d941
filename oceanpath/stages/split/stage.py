"""Declaration of the split stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="split",
    version=4,
    settings="oceanpath.stages.split.settings:SplitSettings",
    work="oceanpath.stages.split.work:run",
    check="oceanpath.artifacts.folds:check",
    needs=("demo?", "mmap"),
    cohorts="also",
    only_in_cohorts=("merge", "drop"),  # the others choose folds; all slides of an external cohort are tested
    self_checked=("mmap/*.bin",),
    preflight="oceanpath.stages.split.preflight:preflight",
    doc="Assign patients to training, validation and test sets.",
)
