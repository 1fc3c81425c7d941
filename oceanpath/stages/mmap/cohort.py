"""The feature files of a cohort: listed, scanned, and reported together if they cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from oceanpath.artifacts.features.files import FeatureFile, scan_features, stamp_of
from oceanpath.artifacts.gather import sealed_digests
from oceanpath.artifacts.store.source_files import Stamp
from oceanpath.errors import ArtifactError, shorten_lines, shorten_list
from oceanpath.folders import MISSING
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.mmap.feature_folder import FeatureFolder
from oceanpath.stages.mmap.limit import selected_slides
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.threads import short_calls
from oceanpath.stages.tables import features_to_read

Unusable = list[tuple[Path, str]]
"""(file, reason) of each file that cannot be used."""
SHOWN = 20


def find_cohort(settings: MmapSettings, inputs: Inputs) -> FeatureFolder:
    """The folder published by `extract`, or `data.features`.

    Raises: ExperimentError: neither or both exist.
    """
    extracted, selected = inputs.get("extract"), selected_slides(settings, inputs)
    root = features_to_read(extracted, settings.features)
    if extracted is not None:
        return FeatureFolder(root, True, sealed_digests(root), selected)
    digests, versions = inputs.files.get("features", {}), inputs.versions.get("features", {})
    return FeatureFolder(root, False, digests, selected, versions)


def scan(paths: Iterable[Path], settings: MmapSettings) -> tuple[list[FeatureFile], Unusable]:
    """Shapes of all files, and (file, reason) of each that cannot be used."""

    def scan_one(path: Path) -> FeatureFile | tuple[Path, str]:
        try:
            return scan_features(path, settings.features_key, level=settings.level)
        except ArtifactError as error:
            return path, error.render()

    results = short_calls(scan_one, paths, settings.workers)
    return [f for f in results if isinstance(f, FeatureFile)], [f for f in results if isinstance(f, tuple)]


def reject_changed(folder: FeatureFolder, files: Iterable[FeatureFile], unusable: Unusable) -> None:
    """Raise if files changed after they were digested, because their digests identify the store.

    Such a slide cannot be left out, because the store would not contain it in later runs either.
    """
    if not folder.versions:
        return
    stamps = [(file.path, file.stamp) for file in files] + [(path, _stamp(path)) for path, _ in unusable]
    changed = sorted(folder.name(path) for path, stamp in stamps if folder.versions.get(folder.name(path)) != stamp)
    if changed:
        got = shorten_list(changed, SHOWN)
        do = "Run again when no other program modifies them."
        what = f"{len(changed)} of {len(stamps)} feature files changed during this run"
        raise ArtifactError(what, where=folder.root, got=got, do=do)


def _stamp(path: Path) -> Stamp:
    try:
        return stamp_of(path)
    except ArtifactError:
        return MISSING


def wrong_dimensions(files: list[FeatureFile], usual: int) -> Unusable:
    """Files whose feature dimension differs from the most frequent one."""
    text = "wrong feature dimension; expected {}, got {}"
    return [(f.path, f"{f.path.name}: {text.format(usual, f.dim)}") for f in files if f.dim != usual]


def without_coords(files: list[FeatureFile], reused: int) -> Unusable:
    """Files without coordinates, if others or `reused` slides of an earlier store have them."""
    others = [file.path.name for file in files if file.has_coords]
    if not others and not reused:
        return []
    example = f", such as {others[0]}" if others else ""
    text = f"no coordinates, but {len(others) + reused} others have them{example} (mmap.coords = false stores none)"
    return [(file.path, f"{file.path.name}: {text}") for file in files if not file.has_coords]


def reject_unusable(unusable: Unusable, total: int, *, allowed: bool) -> None:
    """Raise one error that lists all unusable files, unless the user allows to continue without them."""
    if not unusable or (allowed and len(unusable) < total):
        return
    if len(unusable) == 1:
        do = "Repair or remove it, or set data.allow_missing = true to continue without it."
        raise ArtifactError(f"1 of {total} feature files cannot be used: {unusable[0][1]}", do=do)
    listed = "".join(f"\n  {line}" for line in shorten_lines([reason for _, reason in unusable], SHOWN))
    do = f"Repair or remove them, or set data.allow_missing = true to continue without them.{listed}"
    raise ArtifactError(f"{len(unusable)} of {total} feature files cannot be used", do=do)


def one_encoder(encoders: Iterable[str]) -> str:
    """The encoder of all files, or "" if they do not state it. Raises: ArtifactError: several encoders."""
    names = sorted(set(encoders))
    if len(names) > 1:
        listed_names = ", ".join(name or "(not stated)" for name in names)
        raise ArtifactError(
            "feature files come from different encoders", got=listed_names, do="Use one folder per encoder."
        )
    return names[0]
