"""The door of `curate`."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage
from oceanpath.stages.curate.settings import CurateSettings

STAGE = Stage(
    name="curate",
    version=1,
    settings=CurateSettings,
    work="oceanpath.stages.curate.work:run",
    check="oceanpath.artifacts.pretrain_manifest:check",
    needs=("extract?",),
    preflight="oceanpath.stages.curate.preflight:preflight",
    doc="List the slides that are good to pretrain on: sources, sizes, cancer types.",
)
