"""Declaration of the train stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="train",
    version=7,
    settings="oceanpath.stages.train.settings:TrainSettings",
    work="oceanpath.stages.train.work:run",
    check="oceanpath.stages.train.work:check",
    needs=("mmap", "split", "pretrain?"),
    parts="oceanpath.stages.train.work:parts",
    part_work="oceanpath.stages.train.work:run_part",
    self_checked=("mmap/*.bin",),
    part_unit="folds",
    resumes_parts=True,
    preflight="oceanpath.stages.train.preflight:preflight",
    doc="Train one classifier per fold; the epoch is selected on inner validation data.",
)
