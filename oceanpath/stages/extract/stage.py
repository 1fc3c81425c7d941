"""The door of `extract`."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage
from oceanpath.stages.extract.settings import ExtractSettings

STAGE = Stage(
    name="extract",
    version=4,
    settings=ExtractSettings,
    work="oceanpath.stages.extract.work:run",
    check="oceanpath.artifacts.features:check_features",
    needs=("demo?",),
    when="data.slides",
    parts="oceanpath.stages.extract.cohort:parts",
    part_work="oceanpath.stages.extract.work:run_part",
    allows="allow_missing",
    preflight="oceanpath.stages.extract.preflight:preflight",
    doc="Cut slides into patches and encode them.",
)
