"""Declaration of the pretraining stage."""

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="pretraining",
    version=1,
    settings="tests.stages.pretraining.settings:PretrainingSettings",
    work="tests.stages.pretraining.work:run",
    check="tests.stages.pretraining.work:check",
    needs=("mmap", "split"),
    self_checked=("mmap/*.bin",),
    doc="Train the aggregator without labels.",
)
