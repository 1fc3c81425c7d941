"""Limit a store to the slides of a table; slides without a file and files without a row are reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from oceanpath.artifacts.cohort.ids import describe_missing, slide_id
from oceanpath.artifacts.cohort.user_tables import read_user_table
from oceanpath.artifacts.pretrain_manifest import MANIFEST, read_manifest
from oceanpath.errors import ExperimentError, nearest, shorten_list
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.mmap.feature_folder import FeatureFolder
from oceanpath.stages.mmap.settings import MmapSettings

SHOWN = 5


class Limit(NamedTuple):
    """The files to scan, and lines about the others."""

    paths: dict[str, Path]
    lines: list[str]

    @classmethod
    def of(cls, folder: FeatureFolder, files: Mapping[str, Path], known: Iterable[str], *, allowed: bool) -> Limit:
        """The selected ones of `files`; slides in `known` need no file.

        Raises: ExperimentError: a selected slide has no file, unless that is `allowed`, or none has one.
        """
        if folder.selected is None:
            return cls(dict(files), [])
        paths = {name: path for name, path in files.items() if folder.is_selected(name)}
        known, others = set(known), sorted(files.keys() - paths.keys())
        missing = folder.selected - paths.keys() - known
        if missing and (not allowed or len(missing) == len(folder.selected)):
            described = describe_missing(missing, files, SHOWN)
            do = "Correct the table or mmap.manifest, or set data.allow_missing = true to continue without them."
            what = f"{len(missing)} slides of the manifest have no feature file"
            raise ExperimentError(what, where=folder.root, got=described, do=do)
        absent = f"{len(missing)} slides of the manifest have no file: {shorten_list(sorted(missing))}"
        lines = [absent] if missing else []
        lines += [f"{len(others)} files are not in the manifest: {shorten_list(sorted(others))}"] if others else []
        return cls(paths, lines)


def selected_slides(settings: MmapSettings, inputs: Inputs) -> frozenset[str] | None:
    """The ids in the table `mmap.manifest`, or in the manifest of `curate`; None for all slides.

    Raises: ExperimentError: both exist, or the table is missing, unreadable, without slide ids or with duplicates.
    """
    curated = inputs.get("curate")
    if curated is not None and settings.manifest is not None:
        do = "Remove one of the two."
        raise ExperimentError("slides are selected by both [curate] and mmap.manifest", where=settings.manifest, do=do)
    if curated is not None:
        return frozenset(row.slide_id for row in read_manifest(curated / MANIFEST))
    if settings.manifest is None:
        return None
    table = read_user_table(settings.manifest)
    at = next((at for name in (settings.slide_id, "slide_id") if (at := table.position(name)) is not None), None)
    if at is None:
        close = nearest(settings.slide_id, table.names())
        do = f"Did you mean '{close[0]}'? Set data.slide_id." if close else "Set data.slide_id."
        got = ", ".join(table.names())
        raise ExperimentError(
            "the table has no column of slide ids", where=settings.manifest, expected=settings.slide_id, got=got, do=do
        )
    ids = [slide_id(name) for name in table.column(at)]
    if empty := [row for row, name in enumerate(ids) if not name]:
        raise ExperimentError("a row has no slide id", where=f"{settings.manifest}:{table.numbers[empty[0]]}")
    if duplicates := [name for name, times in Counter(ids).items() if times > 1]:
        got = shorten_list(sorted(duplicates))
        raise ExperimentError("slides appear more than once in the manifest", where=settings.manifest, got=got)
    return frozenset(ids)
