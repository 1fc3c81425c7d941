"""The feature files of a cohort: found, looked into, and refused together where they cannot be used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from oceanpath.artifacts.features.files import FeatureFile, scan_features, stamp_of
from oceanpath.artifacts.gather import sealed_digests
from oceanpath.artifacts.store.source_files import Stamp
from oceanpath.errors import ArtifactError, shorten_lines, shorten_list
from oceanpath.folders import GONE
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.mmap.feature_folder import FeatureFolder
from oceanpath.stages.mmap.limit import wanted_slides
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.threads import short_calls
from oceanpath.stages.tables import features_to_read

Unusable = list[tuple[Path, str]]
"""(file, reason) for each that cannot be used."""
SHOWN = 20


def find_cohort(settings: MmapSettings, inputs: Inputs) -> FeatureFolder:
    """The folder that the stage before this one published, or `data.features`.

    Raises: ExperimentError: there is none, or both are there.
    """
    extracted, wanted = inputs.get("extract"), wanted_slides(settings, inputs)
    root = features_to_read(extracted, settings.features)
    if extracted is not None:
        return FeatureFolder(root, True, sealed_digests(root), wanted)
    told, versions = inputs.files.get("features", {}), inputs.versions.get("features", {})
    return FeatureFolder(root, False, told, wanted, versions)


def scan(paths: Iterable[Path], workers: int, features_key: str = "") -> tuple[list[FeatureFile], Unusable]:
    """Shapes of all files, and (file, reason) for each that cannot be used."""

    def look(path: Path) -> FeatureFile | tuple[Path, str]:
        try:
            return scan_features(path, features_key)
        except ArtifactError as error:
            return path, error.render()

    found = short_calls(look, paths, workers)
    return [f for f in found if isinstance(f, FeatureFile)], [f for f in found if isinstance(f, tuple)]


def refuse_changed(folder: FeatureFolder, files: Iterable[FeatureFile], bad: Unusable) -> None:
    """End the stage when files are no longer those that were digested: the store is known by their digests.

    Leaving such a slide out would be no way on: the store would miss it for ever after.
    """
    if not folder.versions:
        return
    seen = [(file.path, file.stamp) for file in files] + [(path, _stamp(path)) for path, _ in bad]
    changed = sorted(folder.name(path) for path, stamp in seen if folder.versions.get(folder.name(path)) != stamp)
    if changed:
        got = shorten_list(changed, SHOWN)
        do = "Start again when nothing writes to them any more."
        what = f"{len(changed)} of {len(seen)} feature files changed since they were digested"
        raise ArtifactError(what, where=folder.root, got=got, do=do)


def _stamp(path: Path) -> Stamp:
    try:
        return stamp_of(path)
    except ArtifactError:
        return GONE


def odd_dimensions(files: list[FeatureFile], usual: int) -> Unusable:
    """Files whose feature length is not the usual one."""
    text = "wrong feature length; expected {}, got {}"
    return [(f.path, f"{f.path.name}: {text.format(usual, f.dim)}") for f in files if f.dim != usual]


def without_coords(files: list[FeatureFile], told: int) -> Unusable:
    """Files without coordinates, where others, or `told` slides of an earlier store, have them."""
    having = [file.path.name for file in files if file.has_coords]
    if not having and not told:
        return []
    shown = f", such as {having[0]}" if having else ""
    text = f"no coordinates, while {len(having) + told} others have them{shown} (mmap.coords = false stores none)"
    return [(file.path, f"{file.path.name}: {text}") for file in files if not file.has_coords]


def refuse(bad: Unusable, total: int, *, allowed: bool) -> None:
    """End the stage with one list of all bad files, unless the user allowed to continue without them."""
    if not bad or (allowed and len(bad) < total):
        return
    if len(bad) == 1:
        do = "Mend or remove it, or set data.allow_missing = true to continue without it."
        raise ArtifactError(f"1 of {total} feature files cannot be used: {bad[0][1]}", do=do)
    listed = "".join(f"\n  {line}" for line in shorten_lines([reason for _, reason in bad], SHOWN))
    do = f"Mend or remove them, or set data.allow_missing = true to continue without them.{listed}"
    raise ArtifactError(f"{len(bad)} of {total} feature files cannot be used", do=do)


def one_encoder(encoders: Iterable[str]) -> str:
    """The one encoder that made all files, or nothing when they do not say. Raises: ArtifactError: several did."""
    names = sorted(set(encoders))
    if len(names) > 1:
        said = ", ".join(name or "(not said)" for name in names)
        raise ArtifactError("feature files come from different encoders", got=said, do="Keep one encoder a folder.")
    return names[0]


def general(layout: str) -> str:
    """What a file looks like, whatever its number of patches."""
    return re.sub(r"\[\d+, ", "[N, ", layout)
