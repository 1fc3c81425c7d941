"""Problems of an evaluation, reported before any model is trained."""

from __future__ import annotations

from oceanpath.errors import ExperimentError, OceanPathError
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.eval.settings import EvalSettings

SEALABLE = ("holdout", "custom")
"""Schemes that test slides once, which no fold trains on."""


def preflight(settings: EvalSettings, sources: ParentSources) -> Preview:  # noqa: ARG001  # the signature of every stage
    """Check that the scheme has a test set that can be sealed, and that slides of a patient can be combined."""
    return Preview((*_sealed_problems(settings), *_aggregation_problems(settings)))


def _aggregation_problems(settings: EvalSettings) -> list[OceanPathError]:
    if settings.patient_aggregation == "mean":
        return []
    if settings.bag == "patient":
        what, do = "a bag of a patient has one prediction, so there is nothing to combine", "Remove the key."
        where, got = "[eval] patient_aggregation", f'data.bag = "{settings.bag}"'
        return [ExperimentError(what, where=where, got=got, do=do)]
    from oceanpath.tasks.registry import make_task  # loads numpy, with the task

    task = make_task(settings.task, settings.target_keys)
    allowed = task.patient_aggregations() if settings.class_count <= 2 else ("mean",)
    if settings.patient_aggregation in allowed:
        return []
    what, got = "predictions of this task cannot be combined in this way", settings.patient_aggregation
    where, do = "[eval] patient_aggregation", "Remove the key: other ways need probabilities of an event."
    return [ExperimentError(what, where=where, expected=" or ".join(allowed), got=got, do=do)]


def _sealed_problems(settings: EvalSettings) -> list[OceanPathError]:
    if not settings.sealed or settings.scheme in SEALABLE:
        return []
    what = (
        "a sealed test needs test slides that no fold trains on; this scheme tests the training slides of other folds"
    )
    do = 'Set split.scheme = "holdout", or remove eval.sealed.'
    expected = f"split.scheme {' or '.join(SEALABLE)}"
    return [ExperimentError(what, where="[eval] sealed", expected=expected, got=settings.scheme, do=do)]
