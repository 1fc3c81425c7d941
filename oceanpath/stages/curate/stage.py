"""Interface of the stage `curate`."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="curate",
    version=2,
    settings="oceanpath.stages.curate.settings:CurateSettings",
    work="oceanpath.stages.curate.work:run",
    check="oceanpath.artifacts.pretrain_manifest:check",
    needs=("extract?",),
    self_checked=("extract/*.h5", "extract/thumbnails/*", "extract/masks/*"),
    preflight="oceanpath.stages.curate.preflight:preflight",
    doc="List slides for pretraining by source, number of patches and cancer type.",
)
