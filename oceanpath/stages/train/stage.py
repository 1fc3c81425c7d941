"""Declarations of the train stage, and of the training of one model on all patients."""

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

REFIT_STAGE = Stage(
    name="refit",
    version=1,
    settings="oceanpath.stages.train.settings:RefitSettings",
    work="oceanpath.stages.train.refit:run",
    check="oceanpath.stages.train.refit:check",
    needs=("train", "mmap", "split", "pretrain?"),
    when="train.final=refit",
    self_checked=("mmap/*.bin",),
    preflight="oceanpath.stages.train.preflight:preflight_refit",
    sealed_by="eval.sealed",
    doc="Train one model on all patients, for the bundle.",
)
