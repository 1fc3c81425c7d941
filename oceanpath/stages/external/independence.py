"""An external cohort shares no patient and no slide with the training cohort, and has features of the same kind."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.features.files import FeatureLayout, layout_of
from oceanpath.artifacts.features.folder import find_features
from oceanpath.artifacts.folds import read_fold, read_splits
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ExperimentError, OceanPathError, collected, refuse, shorten_list

SHOWN = 10


def labelled_slides(split: Path) -> pd.DataFrame:
    """The slides of all folds, one row per slide; `fitted` states whether any fold trains or validates on it."""
    rows = pd.concat([read_fold(split, number) for number in range(read_splits(split)["folds"])])
    fitted = set(rows.loc[rows["role"] != "test", "slide_id"])
    slides = rows.drop_duplicates("slide_id").sort_values("slide_id", ignore_index=True).drop(columns="role")
    return slides.assign(fitted=slides["slide_id"].isin(fitted))


def same_patients(external: Collection[str], training: Collection[str], where: str) -> list[OceanPathError]:
    """An error that names the patients of the external cohort who are also in the training cohort, if there are any."""
    both = sorted(set(external) & set(training))
    if not both:
        return []
    what = "patients of the external cohort are also in the training cohort"
    got = f"{len(both)} of {len(set(external))}: {shorten_list(both, SHOWN)}"
    do = "Remove them from the label table of the external cohort; give patients who are other people other ids."
    return [ExperimentError(what, where=where, got=got, do=do)]


def same_slides(external: Store, training: Store, slides: Collection[str], where: str) -> list[OceanPathError]:
    """An error that names slides whose features are also in the training cohort, under any id; `slides` are its ids."""
    known = {training.index.digests[number]: name for name in slides for number in [training.number(name)]}
    digests = zip(external.slide_ids, external.index.digests, strict=True)
    both = [f"{name} = {known[digest]}" for name, digest in digests if digest in known]
    if not both:
        return []
    what = "slides of the external cohort have the same features as slides of the training cohort"
    do = "Remove them from the external cohort."
    return [ExperimentError(what, where=where, got=f"{len(both)}: {shorten_list(both, SHOWN)}", do=do)]


def other_features(external: tuple[int, str], training: tuple[int, str], where: str) -> list[OceanPathError]:
    """Errors for features of another length or encoder; each cohort is (length, encoder or "")."""
    problems: list[OceanPathError] = []
    do = "Extract the features of both cohorts with the same settings."
    if external[0] != training[0]:
        what = "the features of the external cohort have another length than those of the training cohort"
        problems.append(ExperimentError(what, where=where, expected=training[0], got=external[0], do=do))
    if external[1] and training[1] and external[1] != training[1]:
        what = "the features of the external cohort come from another encoder than those of the training cohort"
        problems.append(ExperimentError(what, where=where, expected=training[1], got=external[1], do=do))
    return problems


def other_files(external: tuple[Path, str], training: tuple[Path, str], where: str) -> list[OceanPathError]:
    """Errors for features of another kind, from the first file of each folder; each cohort is (folder, features_key).

    What a file does not state is not compared. Files that cannot be read are errors of `mmap`.
    """
    ignored: list[OceanPathError] = []
    layouts: list[FeatureLayout] = []
    for folder, key in (external, training):
        with collected(ignored):
            layouts.append(layout_of(next(iter(find_features(folder).values())), key))
    if ignored:
        return []
    own, other = layouts
    problems = other_features((own.dim, own.encoder), (other.dim, other.encoder), where)
    for name, unit, mine, theirs in (
        ("patch size", "px", own.provenance.patch_px, other.provenance.patch_px),
        ("resolution", "µm/px", own.provenance.target_mpp, other.provenance.target_mpp),
    ):
        if mine is not None and theirs is not None and mine != theirs:
            what = f"the patches of the external cohort have another {name} than those of the training cohort"
            do = "Extract the features of both cohorts with the same settings."
            expected, got = f"{theirs:g} {unit}", f"{mine:g} {unit}"
            problems.append(ExperimentError(what, where=where, expected=expected, got=got, do=do))
    return problems


def require_independence(stores: tuple[Store, Store], slides: tuple[pd.DataFrame, pd.DataFrame], where: str) -> None:
    """Compare an external cohort with the training cohort; both pairs are (external, training).

    Raises: ExperimentError: they share patients or slides, or their features are not of the same kind.
    """
    (external, training), (own, other) = stores, slides
    problems = same_patients(own["patient_id"], other["patient_id"], where)
    kinds = [(store.dim, store.index.encoder) for store in stores]
    problems += other_features(kinds[0], kinds[1], where)
    if external.dim == training.dim:
        problems += same_slides(external, training, other["slide_id"].tolist(), where)
    refuse(problems)
