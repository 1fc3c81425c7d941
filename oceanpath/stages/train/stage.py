"""The door of the train room."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage
from oceanpath.stages.train.settings import TrainSettings

STAGE = Stage(
    name="train",
    version=4,
    settings=TrainSettings,
    work="oceanpath.stages.train.work:run",
    check="oceanpath.artifacts.predictions:check",
    needs=("mmap", "split"),
    parts="oceanpath.stages.train.work:parts",
    part_work="oceanpath.stages.train.work:run_part",
    preflight="oceanpath.stages.train.preflight:preflight",
    doc="Fit one classifier a fold; inner validation alone chooses its epoch.",
)
"""One part a fold."""
