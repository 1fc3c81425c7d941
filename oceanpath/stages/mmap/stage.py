"""Interface of the stage `mmap`, and of the same work for another cohort."""

from __future__ import annotations

from dataclasses import replace

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="mmap",
    version=4,
    settings="oceanpath.stages.mmap.settings:MmapSettings",
    work="oceanpath.stages.mmap.work:run",
    check="oceanpath.artifacts.store.reader:check",
    digest="oceanpath.artifacts.store.reader:digest_content",
    extends=True,
    cohorts="also",
    not_in_cohorts=("manifest",),
    preflight="oceanpath.stages.mmap.preflight:preflight",
    needs=("extract?", "curate?"),
    self_checked=("extract/*.h5", "extract/thumbnails/*", "extract/masks/*", "mmap/*.bin"),
    doc="Build one memory-mapped store from all feature files.",
)

PRETRAIN_STAGE = replace(
    STAGE,
    name="pretrain_mmap",
    settings="oceanpath.stages.mmap.settings:PretrainMmapSettings",
    needs=(),
    when="pretrain.features",
    cohorts="",
    doc="Build the store of another cohort, on which [pretrain] pretrains.",
)
