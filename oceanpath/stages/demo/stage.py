"""The declaration of `demo`."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="demo",
    version=1,
    settings="oceanpath.stages.demo.settings:DemoSettings",
    work="oceanpath.stages.demo.work:run",
    check="oceanpath.stages.demo.work:check",
    doc="Render a small cohort of slides, to try OceanPath without data.",
)
