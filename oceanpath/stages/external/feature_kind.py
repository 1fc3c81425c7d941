"""The features of an external cohort are of the same kind as those of the training cohort."""

from __future__ import annotations

import math
from pathlib import Path

from oceanpath.artifacts.features.files import find_features, layout_of
from oceanpath.artifacts.features.layouts import PATCH, FeatureLayout
from oceanpath.errors import ExperimentError, OceanPathError, collected

DO = "Extract the features of both cohorts with the same settings."


def other_features(external: tuple[int, str], training: tuple[int, str], where: str = "") -> list[OceanPathError]:
    """Errors for features of another length or encoder; each cohort is (length, encoder or "")."""
    problems: list[OceanPathError] = []
    if external[0] != training[0]:
        what = "the features of the external cohort have another length than those of the training cohort"
        problems.append(ExperimentError(what, where=where, expected=training[0], got=external[0], do=DO))
    if external[1] and training[1] and external[1] != training[1]:
        what = "the features of the external cohort come from another encoder than those of the training cohort"
        problems.append(ExperimentError(what, where=where, expected=training[1], got=external[1], do=DO))
    return problems


def other_files(external: tuple[Path, str], training: tuple[Path, str], level: str = PATCH) -> list[OceanPathError]:
    """Errors for features of another kind, from the first file of each folder; each cohort is (folder, features_key).

    `level` is that of both.

    What a file does not state is not compared. Files that cannot be read are errors of `mmap`.
    """
    ignored: list[OceanPathError] = []
    layouts: list[FeatureLayout] = []
    for folder, key in (external, training):
        with collected(ignored):
            layouts.append(layout_of(next(iter(find_features(folder).values())), key, level))
    if ignored:
        return []
    own, other = layouts
    problems = other_features((own.dim, own.encoder), (other.dim, other.encoder))
    here, there = own.provenance, other.provenance
    for name, unit, mine, theirs in (
        ("patch size", "px", here.patch_px, there.patch_px),
        ("resolution", "µm/px", here.target_mpp, there.target_mpp),
    ):
        if mine and theirs and not math.isclose(mine, theirs, rel_tol=1e-6):  # some files state single precision
            what = f"the patches of the external cohort have another {name} than those of the training cohort"
            expected, got = f"{theirs:g} {unit}", f"{mine:g} {unit}"
            problems.append(ExperimentError(what, expected=expected, got=got, do=DO))
    return problems
