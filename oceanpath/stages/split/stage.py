"""Declaration of the split stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage
from oceanpath.stages.split.settings import SplitSettings

STAGE = Stage(
    name="split",
    version=4,
    settings=SplitSettings,
    work="oceanpath.stages.split.work:run",
    check="oceanpath.artifacts.folds:check",
    needs=("demo?", "mmap"),
    self_checked=("mmap/*.bin",),
    preflight="oceanpath.stages.split.preflight:preflight",
    doc="Assign patients to training, validation and test sets.",
)
