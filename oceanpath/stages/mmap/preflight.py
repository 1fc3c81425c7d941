"""Errors that are known before any feature file is opened."""

from __future__ import annotations

from pathlib import Path

from oceanpath.artifacts.left_out import NAME, LeftOut, read_left_out
from oceanpath.errors import ExperimentError, OceanPathError, collected
from oceanpath.pipeline.stage import Inputs, ParentSources, Preview
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.tables import Expected

LEAST = {"float16": 0.25, "bfloat16": 0.25, "float32": 0.5}
"""Stored type → minimum size of the store relative to the files, whose features are at most float64."""


def preflight(settings: MmapSettings, sources: ParentSources) -> Preview:
    """Check the folder of features, the manifest and the free disk space; opens no feature file."""
    if settings.store and settings.features is None:
        return Preview(tuple(_remote_problems(settings, sources)))
    expected, folder = sources.expected.get("extract"), sources.get("extract") or settings.features
    limited = settings.manifest is not None or "curate" in sources.names
    if expected is not None:
        return Preview(expected=None if limited else expected)
    if folder is None or not folder.is_dir():
        return Preview()
    from oceanpath.artifacts.features.folder import find_features  # loads numpy
    from oceanpath.stages.mmap.limit import selected_slides

    problems, files, selected = list[OceanPathError](), dict[str, Path](), None
    with collected(problems):
        files = find_features(folder)
    with collected(problems):
        selected = selected_slides(settings, Inputs()) if settings.manifest and settings.manifest.exists() else None
    problems += _broken(settings, folder, files)
    left_out = LeftOut()
    if "extract" in sources.parents:
        sources.check("extract", [NAME])
        left_out = read_left_out(folder)
    slides = frozenset(files) if selected is None else selected & files.keys()
    known = None if "curate" in sources.names or problems else Expected(slides, left_out.without(slides))
    return Preview(tuple(problems), expected=known, bytes=_size(settings, [files[name] for name in slides]))


def _remote_problems(settings: MmapSettings, sources: ParentSources) -> list[OceanPathError]:
    """Errors about a store in object storage that are known without contacting it."""
    from oceanpath.artifacts.object_storage import open_client
    from oceanpath.artifacts.store.remote import cache_folder  # loads numpy
    from oceanpath.stages.mmap.remote import check_other_sources

    problems = list[OceanPathError]()
    with collected(problems):
        check_other_sources(settings, [name for name in ("extract", "curate") if name in sources.names])
    with collected(problems):
        open_client(settings.store)
    with collected(problems):
        cache_folder()
    return problems


def _broken(settings: MmapSettings, folder: Path, files: dict[str, Path]) -> list[OceanPathError]:
    """Errors about feature files that are links without a target."""
    broken = [path.relative_to(folder).as_posix() for path in files.values() if not path.exists()]
    if not broken or settings.allow_missing:
        return []
    do = "Restore their targets, or set data.allow_missing = true to continue without them."
    got = f"{len(broken)} of {len(files)}: {', '.join(broken[:5])}"
    return [ExperimentError("feature files are links without a target", where=folder, got=got, do=do)]


def _size(settings: MmapSettings, paths: list[Path]) -> int:
    """The minimum size of the store: the features of all files, unless they are capped or referenced."""
    if settings.mode == "adopt" or settings.max_instances is not None:
        return 0
    return int(sum(path.stat().st_size for path in paths if path.exists()) * LEAST[settings.dtype])
