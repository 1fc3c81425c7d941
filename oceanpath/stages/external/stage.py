"""Declaration of the external stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="external",
    version=3,
    settings="oceanpath.stages.external.settings:ExternalSettings",
    work="oceanpath.stages.external.work:run",
    check="oceanpath.stages.external.work:check",
    needs=("train", "mmap", "split", "training.mmap", "training.split", "training.pretrain?"),
    when="data.external",
    cohorts="only",
    self_checked=("mmap/*.bin", "training.mmap/*.bin"),
    preflight="oceanpath.stages.external.preflight:preflight",
    sealed_by="eval.sealed",
    doc="Score external cohorts with the trained models.",
)
