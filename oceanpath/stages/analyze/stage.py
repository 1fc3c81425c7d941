"""Declaration of the analyze stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="analyze",
    version=9,
    settings="oceanpath.stages.analyze.settings:AnalyzeSettings",
    work="oceanpath.stages.analyze.work:run",
    check="oceanpath.stages.analyze.work:check",
    needs=("train", "mmap", "demo?", "extract?", "eval"),
    across=("train",),
    self_checked=("mmap/*.bin", "extract/*.h5", "extract/thumbnails/*", "extract/masks/*", "demo/slides/*"),
    sealed_by="eval.sealed",
    doc="Explain predictions by patches, draw slide embeddings, and compare variants.",
)
