"""Interface of the stage `mmap`."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage
from oceanpath.stages.mmap.settings import MmapSettings

STAGE = Stage(
    name="mmap",
    version=4,
    settings=MmapSettings,
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
