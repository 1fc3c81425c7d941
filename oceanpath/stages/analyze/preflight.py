"""Problems of an analysis, reported before any work."""

from __future__ import annotations

from oceanpath.artifacts.bag_unit import PATIENT
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.analyze.settings import AnalyzeSettings


def preflight(settings: AnalyzeSettings, sources: ParentSources) -> Preview:  # noqa: ARG001  # the signature of every stage
    """Check that maps of patches are requested only where a bag is a slide."""
    drawn = settings.slides == "all" or settings.attention_slides or settings.deletion_slides or settings.regions
    if settings.bag != PATIENT or not drawn:
        return Preview()
    what = "maps and curves of patches are of one slide, and the bags of this experiment are patients"
    do = 'Set analyze.attention_slides = 0 and analyze.deletion_slides = 0; remove analyze.regions and slides = "all".'
    return Preview((ExperimentError(what, where="[analyze]", got='data.bag = "patient"', do=do),))
