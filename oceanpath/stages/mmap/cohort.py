"""The feature files of a cohort: found, looked into, and refused together where they cannot be used."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from oceanpath.artifacts.features import FeatureFile, features_by_id, find_features, scan_features
from oceanpath.artifacts.gather import sealed_digests
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.mmap.limit import wanted_slides
from oceanpath.stages.mmap.settings import MmapSettings

T = TypeVar("T")
R = TypeVar("R")
Bad = list[tuple[Path, str]]
"""(file, reason) for each that cannot be used."""
SHOWN = 20


@dataclass(frozen=True)
class FeatureFolder:
    """A folder of feature files."""

    root: Path
    published: bool = False
    """Whether a stage of this workspace made it; else it lies outside."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Relative name → xxh3-128 of the file's bytes, where somebody has told."""
    wanted: frozenset[str] | None = None
    """The only slides that are wanted; None for all."""

    def name(self, path: Path) -> str:
        """The relative name of a file that was found below the folder, without taking it to pieces."""
        return str(path).removeprefix(os.path.join(self.root, ""))  # noqa: PTH118

    def wants(self, slide: str) -> bool:
        """Whether a slide is wanted."""
        return self.wanted is None or slide in self.wanted

    def find(self, known: Mapping[str, str]) -> dict[str, Path]:
        """Slide id → file, sorted by id, wanted or not, but for the files of `known` (relative name → slide id).

        Raises: ExperimentError: there are no files at all, or two have one slide id.
        """
        if not known:
            return find_features(self.root)
        found = features_by_id(self.root, (self.root / name for name in self.digests.keys() - known.keys()))
        if twins := sorted(found.keys() & set(known.values())):
            raise ExperimentError("two feature files have one slide id", where=self.root, got=", ".join(twins[:SHOWN]))
        return found


def find_cohort(settings: MmapSettings, inputs: Inputs) -> FeatureFolder:
    """The folder that the stage before this one published, or `data.features`.

    Raises: ExperimentError: there is none, or both are there.
    """
    extracted, wanted = inputs.get("extract"), wanted_slides(settings, inputs)
    if extracted is not None and settings.features is not None:
        raise ExperimentError("features come from [extract] and from data.features", do="Keep one of the two.")
    if extracted is not None:
        return FeatureFolder(extracted, True, sealed_digests(extracted), wanted)
    if settings.features is None:
        do = "Set data.features, or data.slides to extract them, with --set or in the file."
        raise ExperimentError("there are no slides and no features to start from", where="[data]", do=do)
    return FeatureFolder(settings.features, False, inputs.files.get("features", {}), wanted)


def scan(paths: Iterable[Path], workers: int) -> tuple[list[FeatureFile], Bad]:
    """Shapes of all files, and (file, reason) for each that cannot be used."""

    def look(path: Path) -> FeatureFile | tuple[Path, str]:
        try:
            return scan_features(path)
        except ArtifactError as error:
            return path, error.render()

    found = in_threads(look, paths, workers)
    return [f for f in found if isinstance(f, FeatureFile)], [f for f in found if isinstance(f, tuple)]


def odd_dimensions(files: list[FeatureFile], usual: int) -> Bad:
    """Files whose feature length is not the usual one."""
    text = "wrong feature length; expected {}, got {}"
    return [(f.path, f"{f.path.name}: {text.format(usual, f.dim)}") for f in files if f.dim != usual]


def refuse(bad: Bad, total: int, *, allowed: bool) -> None:
    """End the stage with one list of all bad files, unless the user allowed to go on without them."""
    if not bad or (allowed and len(bad) < total):
        return
    listed = "".join(f"\n  {reason}" for _, reason in bad[:SHOWN])
    more = f"\n  and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    do = f"Mend or remove them, or set data.allow_missing = true to go on without them.{listed}{more}"
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


def in_threads(call: Callable[[T], R], things: Iterable[T], workers: int) -> list[R]:
    """Results in the order of `things`; reading, hashing and writing leave the interpreter free."""
    if workers <= 1:
        return [call(thing) for thing in things]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(call, things))
