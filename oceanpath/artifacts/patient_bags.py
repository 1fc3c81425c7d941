"""Bags of patients (`data.bag = "patient"`): the slides of each bag, and where their patches are placed.

    patient_bags.parquet   patient_id, slide_id (text); one row per slide, sorted by both

`split` and `train` publish it where bags are patients; in their tables, `slide_id` is then the patient id. The bag of a
patient has the patches of the patient's slides in the order of the slide ids.

The slides are placed next to each other. The first keeps its coordinates. Every other slide is moved so that its
uppermost patch is level with that of the first, and its leftmost patch is `GAP_STEPS` steps right of the rightmost
patch of the slides before. A step is the largest of the `spacing_of` the slides; `UNKNOWN_STEP` if no slide has two
columns or rows of patches. So patches of two slides never have the same coordinates and are no neighbours, and slides
with the same spacing are on one grid.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.patch_spacing import spacing_of
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError

FILE = "patient_bags.parquet"
COLUMNS = ["patient_id", "slide_id"]
GAP_STEPS = 8
"""Steps between two slides: more than the reach of every architecture that looks up neighbours on a grid."""
UNKNOWN_STEP = 4096
"""Level-0 pixels."""
LARGEST = 1 << 24
"""Whole numbers up to this are exact as float32, the type of coordinates in an exported model."""


def write_patient_bags(slides: pd.DataFrame, out: Path) -> None:
    """Write patient_bags.parquet below `out`; `slides` has one row per slide."""
    write_table(slides[COLUMNS].drop_duplicates().sort_values(COLUMNS, ignore_index=True), out / FILE)


def read_patient_bags(folder: Path) -> dict[str, tuple[str, ...]]:
    """Patient → the slides of the bag, in their order; empty where bags are slides.

    Raises: ArtifactError: the file is damaged, or a slide is in two bags.
    """
    if not (folder / FILE).is_file():
        return {}
    table = read_table(folder / FILE)
    if list(table.columns) != COLUMNS or table["slide_id"].duplicated().any():
        raise ArtifactError("the bags of patients are not valid", where=folder / FILE, expected="one row per slide")
    return {str(name): tuple(own["slide_id"].sort_values()) for name, own in table.groupby("patient_id", sort=True)}


def copy_patient_bags(unit: Path, out: Path) -> None:
    """Copy patient_bags.parquet of the folder `unit` to `out`; where bags are slides there is none."""
    if (unit / FILE).is_file():
        shutil.copyfile(unit / FILE, out / FILE)


def one_row_per_patient(rows: pd.DataFrame) -> pd.DataFrame:
    """The first row of each patient, with the patient id as its slide id; `rows` has one row per slide."""
    first = rows.sort_values("slide_id").drop_duplicates("patient_id")
    return first.assign(slide_id=first["patient_id"]).sort_values("slide_id", ignore_index=True)


def one_row_per_slide(rows: pd.DataFrame, bags: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The rows of bags with one row per slide; without `bags` of patients, the same rows."""
    if not bags:
        return rows
    slides = rows["slide_id"].map({name: list(own) for name, own in bags.items()})
    return rows.assign(slide_id=slides).explode("slide_id", ignore_index=True)


def shifted(coords: Sequence[NDArray[np.int32]], shifts: NDArray[np.int32]) -> NDArray[np.int32]:
    """The coordinates of a bag, [n, 2], from those of its slides and their `slide_shifts`."""
    return np.concatenate([own + shift for own, shift in zip(coords, shifts, strict=True)])


def slide_shifts(coords: Sequence[NDArray[np.int32]], where: object = "") -> NDArray[np.int32]:
    """How far each slide of a patient is moved, [k, 2] level-0 pixels, from the coordinates [n, 2] of each.

    Raises: ArtifactError: the slides together are wider than `LARGEST`.
    """
    shifts = np.zeros((len(coords), 2), np.int64)
    if len(coords) > 1:
        step = max(spacing_of(own) for own in coords)
        gap, first = GAP_STEPS * (step if step > 1 else UNKNOWN_STEP), coords[0]
        right = int(first[:, 0].max())
        for number, own in enumerate(coords[1:], 1):
            left, top = own.min(axis=0).astype(np.int64)
            shifts[number] = right + gap - left, int(first[:, 1].min()) - top
            right += gap + int(own[:, 0].max()) - int(left)
        bottom = max(int(own[:, 1].max()) + int(shift[1]) for own, shift in zip(coords, shifts, strict=True))
        if (largest := max(right, bottom)) > LARGEST:
            what = "the slides of a patient are too wide to be placed next to each other"
            raise ArtifactError(what, where=where, expected=f"at most {LARGEST} level-0 pixels", got=largest)
    return shifts.astype(np.int32)
