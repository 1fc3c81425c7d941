"""Problems that would prevent an export, reported before any work."""

from __future__ import annotations

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.tasks.registry import task_entry


def preflight(settings: ExportSettings, sources: ParentSources) -> Preview:
    """Check that models of the task can be exported, or that there is one pretrained aggregator."""
    if "train" not in sources.names and settings.rows == "fold_train":
        what = "there is one pretrained aggregator per fold, and an export has one"
        do = 'Set pretrain.rows = "manifest", or add [train] to export its models.'
        return Preview((ExperimentError(what, where="[pretrain] rows", got=settings.rows, do=do),))
    if "train" not in sources.names or task_entry(settings.task).is_exportable:
        return Preview()
    what, do = "models of this task cannot be exported", "Remove the table [export]."
    return Preview((ExperimentError(what, where="[data] task", got=settings.task, do=do),))
