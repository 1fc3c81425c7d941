"""Declaration of the eval stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="eval",
    version=8,
    settings="oceanpath.stages.eval.settings:EvalSettings",
    work="oceanpath.stages.eval.work:run",
    preflight="oceanpath.stages.eval.preflight:preflight",
    check="oceanpath.stages.eval.work:check",
    needs=("train", "mmap", "split", "demo?"),
    self_checked=("mmap/*.bin",),
    doc="Compute test metrics with patient-level intervals and baselines.",
)
