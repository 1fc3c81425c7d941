"""The manifest of slides for pretraining, written by `curate`; a store can be limited to its slides.

    pretrain_manifest.csv         slide_id, slide_path, cancer_type, num_patches; one row per slide, sorted by slide_id
    pretrain_manifest_stats.txt   text: slides kept and left out by source and cancer type, and a list of all files left
    out

`slide_path` is relative to the folder of features, with ``/``. The file is UTF-8 with a line feed after each row, so
equal cohorts give equal bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from oceanpath.errors import ArtifactError

MANIFEST, STATS = "pretrain_manifest.csv", "pretrain_manifest_stats.txt"


class ManifestRow(NamedTuple):
    """One slide of the manifest."""

    slide_id: str
    slide_path: str
    """Relative to the folder of features, with ``/``."""
    cancer_type: str
    num_patches: int


def write_manifest(folder: Path, rows: Iterable[ManifestRow]) -> None:
    """Write pretrain_manifest.csv into `folder`, sorted by slide id."""
    with (folder / MANIFEST).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ManifestRow._fields)
        writer.writerows(sorted(rows))


def read_manifest(path: Path) -> list[ManifestRow]:
    """The rows of a manifest, in the order of the file.

    Raises: ArtifactError: missing, not a manifest, no rows, a slide id twice, or a count that is not positive.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns, lines = tuple(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ArtifactError("the manifest cannot be read", where=path, got=error) from error
    if columns != ManifestRow._fields:
        raise ArtifactError(
            "not a pretraining manifest", where=path, expected=", ".join(ManifestRow._fields), got=columns
        )
    rows = [_row(cells, path, line) for line, cells in enumerate(lines, 2)]
    if not rows:
        raise ArtifactError("the manifest has no rows", where=path)
    seen: set[str] = set()
    for row in rows:
        if row.slide_id in seen:
            raise ArtifactError("a slide is in the manifest twice", where=path, got=row.slide_id)
        seen.add(row.slide_id)
    return rows


def check(folder: Path) -> None:
    """Read both files. Raises: ArtifactError: one is missing or damaged."""
    read_manifest(folder / MANIFEST)
    if not (folder / STATS).is_file():
        raise ArtifactError("the statistics of the manifest are missing", where=folder / STATS)


def _row(cells: Mapping[str | None, str | None], path: Path, line: int) -> ManifestRow:
    name, place, kind, count = (cells[column] or "" for column in ManifestRow._fields)
    if None in cells or not name or not place or not count.isdecimal() or int(count) == 0:
        expected = "four cells, the last a positive whole number"
        raise ArtifactError("a row of the manifest is damaged", where=f"{path}:{line}", expected=expected)
    return ManifestRow(name, place, kind, int(count))
