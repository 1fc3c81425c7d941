"""Declaration of the analyze stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="analyze",
    version=7,
    settings="oceanpath.stages.analyze.settings:AnalyzeSettings",
    work="oceanpath.stages.analyze.work:run",
    check="oceanpath.stages.analyze.work:check",
    needs=("train", "mmap", "extract?", "eval"),
    across=("train",),
    self_checked=("mmap/*.bin", "extract/*.h5", "extract/thumbnails/*", "extract/masks/*"),
    sealed_by="eval.sealed",
    doc="Draw attention maps and slide embeddings, and compare variants.",
)
