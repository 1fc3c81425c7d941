"""The declaration of `extract`."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="extract",
    version=5,
    settings="oceanpath.stages.extract.settings:ExtractSettings",
    work="oceanpath.stages.extract.work:run",
    check="oceanpath.artifacts.features.files:check_features",
    needs=("demo?",),
    when="data.slides",
    cohorts="also",
    not_in_cohorts=("exclude", "shard"),
    parts="oceanpath.stages.extract.cohort:parts",
    part_work="oceanpath.stages.extract.work:run_part",
    self_checked=("extract/*.h5",),
    part_unit="slides",
    allows="allow_missing",
    preflight="oceanpath.stages.extract.preflight:preflight",
    doc="Extract patch features from slides.",
)
