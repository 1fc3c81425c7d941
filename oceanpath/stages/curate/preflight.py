"""What would keep slides from being curated, reported before any file is opened."""

from __future__ import annotations

from oceanpath.pipeline.stage import Outlook, Sources
from oceanpath.stages.curate.settings import CurateSettings


def preflight(settings: CurateSettings, _: Sources) -> Outlook:
    """List the folder of features.

    Raises: ExperimentError: it holds none, or two with one slide id.
    """
    if settings.features is not None and settings.features.is_dir():
        from oceanpath.artifacts.feature_folder import find_features  # loads numpy

        find_features(settings.features)
    return Outlook()
