"""Declaration of the export stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="export",
    version=8,
    settings="oceanpath.stages.export.settings:ExportSettings",
    work="oceanpath.stages.export.work:run",
    check="oceanpath.artifacts.bundle.folder:check",
    needs=("train", "mmap", "eval", "extract?", "external?", "refit?"),
    alternative=("pretrain", "mmap", "pretrain_mmap?", "extract?"),
    self_checked=("mmap/*.bin", "pretrain_mmap/*.bin", "extract/*.h5", "extract/thumbnails/*", "extract/masks/*"),
    preflight="oceanpath.stages.export.preflight:preflight",
    sealed_by="eval.sealed",
    doc="Export all folds as one calibrated ensemble, or the pretrained aggregator: ONNX, TorchScript, model card.",
)
