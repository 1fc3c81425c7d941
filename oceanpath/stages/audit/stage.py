"""Declaration of the audit stage."""

from __future__ import annotations

from oceanpath.pipeline.stage import Stage

STAGE = Stage(
    name="audit",
    version=1,
    settings="oceanpath.stages.audit.settings:AuditSettings",
    work="oceanpath.stages.audit.work:run",
    check="oceanpath.artifacts.audit_report:read_audit",
    needs=("demo?", "mmap", "split", "pretrain?"),
    self_checked=("mmap/*.bin",),
    sealed_by="eval.sealed",
    doc="Check the cohort and its folds for leaks and shortcuts.",
)
