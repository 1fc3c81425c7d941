"""Problems that would prevent an export, reported before any work."""

from __future__ import annotations

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.tasks.registry import task_entry


def preflight(settings: ExportSettings, _: ParentSources) -> Preview:
    """Check that models of the task can be exported."""
    if task_entry(settings.task).is_exportable:
        return Preview()
    what, do = "models of this task cannot be exported", "Remove the table [export]."
    return Preview((ExperimentError(what, where="[data] task", got=settings.task, do=do),))
