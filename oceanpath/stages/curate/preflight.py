"""Errors that are known before any file is opened."""

from __future__ import annotations

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.curate.settings import CurateSettings


def preflight(settings: CurateSettings, _: ParentSources) -> Preview:
    """List the folder of features.

    Raises: ExperimentError: it has no feature files, or two with the same slide id, or the features are not of patches.
    """
    if settings.level == "slide":
        what, do = "slides are selected by their number of patches, which slide embeddings lack", "Remove [curate]."
        raise ExperimentError(what, where="[data] level", got=settings.level, do=do)
    if settings.features is not None and settings.features.is_dir():
        from oceanpath.artifacts.features.folder import find_features  # loads numpy

        find_features(settings.features)
    return Preview()
