"""Declaration of the pretrain stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="pretrain",
    version=2,
    settings="oceanpath.stages.pretrain.settings:PretrainSettings",
    work="oceanpath.stages.pretrain.work:run",
    check="oceanpath.stages.pretrain.outputs:check",
    needs=("mmap", "pretrain_mmap?", "extract?", "demo?", "split?"),
    preflight="oceanpath.stages.pretrain.preflight:preflight",
    self_checked=(
        "mmap/*.bin",
        "pretrain_mmap/*.bin",
        "extract/*.h5",
        "extract/thumbnails/*",
        "extract/masks/*",
        "demo/slides/*",
    ),
    doc="Pretrain the aggregator without labels; the step is selected on validation views.",
)
