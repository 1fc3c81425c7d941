"""Problems of a sealed test, reported before any model is trained."""

from __future__ import annotations

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.eval.settings import EvalSettings

SEALABLE = ("holdout", "custom")
"""Schemes that test slides once, which no fold trains on."""


def preflight(settings: EvalSettings, sources: ParentSources) -> Preview:  # noqa: ARG001  # the signature of every stage
    """Check that the scheme has a test set that can be sealed."""
    if not settings.sealed or settings.scheme in SEALABLE:
        return Preview()
    what = (
        "a sealed test needs test slides that no fold trains on; this scheme tests the training slides of other folds"
    )
    do = 'Set split.scheme = "holdout", or remove eval.sealed.'
    expected = f"split.scheme {' or '.join(SEALABLE)}"
    problem = ExperimentError(what, where="[eval] sealed", expected=expected, got=settings.scheme, do=do)
    return Preview((problem,))
