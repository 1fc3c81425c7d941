"""Folds of a split file, or one fold whose test patients match a filter on columns of the label table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from oceanpath.artifacts.cohort.id_match import match
from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.artifacts.folds import ROLES
from oceanpath.artifacts.split_files.base import SplitFile, SplitRow, in_fold_order
from oceanpath.artifacts.split_files.formats import read_split_file
from oceanpath.errors import ExperimentError, OceanPathError, refuse, shorten_list
from oceanpath.stages.split.filters import RowFilter
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold

Roles = dict[str, set[str]]
"""Slide or patient → its roles in one fold."""


def custom(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """The folds of `settings.file`, or the one of `settings.test` and `settings.val`.

    Raises: ExperimentError: the file or a filter is wrong, a patient has several roles in a fold, or nothing is tested.
    """
    if settings.file is not None:
        return _from_file(patients, read_split_file(settings.file), settings)
    test = _matching(patients, settings.test, "test")
    val = _matching(patients, settings.val, "val") if settings.val else frozenset[str]()
    if both := sorted(test & val):
        got = f"{len(both)}: {shorten_list(both)}"
        raise ExperimentError("patients match both filters", where="[split] test and val", got=got)
    return [Fold(test, val, name=settings.test)]


def _matching(patients: Patients, text: str, key: str) -> frozenset[str]:
    """The patients of whom a slide matches a filter: all their slides have the role."""
    matches = RowFilter(text, key)
    rows = [{str(column): str(cell) for column, cell in row.items()} for row in patients.columns.to_dict("records")]
    found = frozenset(str(name) for name, row in zip(patients.slides["patient_id"], rows, strict=True) if matches(row))
    if not found:
        raise ExperimentError("no slide matches the filter", where=f"[split] {key}", got=text)
    return found


def _from_file(patients: Patients, source: SplitFile, settings: SplitSettings) -> list[Fold]:
    slides = {str(s): str(p) for s, p in zip(patients.slides["slide_id"], patients.slides["patient_id"], strict=True)}
    owner = slides if source.unit == "slide" else {name: name for name in slides.values()}
    named = match(sorted({row.name for row in source.rows}), owner, settings.match_ids)
    problems = _unmatched(source, named, owner, settings)
    everything = _by_fold(row._replace(name=named.get(row.name, row.name)) for row in source.rows)
    problems += _problems_of_folds(everything, {**_owners_by_prefix(everything, owner), **owner}, source)
    refuse(problems)
    folds = _by_fold(row._replace(name=named[row.name]) for row in source.rows if row.name in named)
    repeats, everyone = _repeats(folds), frozenset(map(str, patients.frame.index))
    return [_fold(roles, owner, source, everyone, repeats[key]) for key, roles in folds.items()]


def _owners_by_prefix(folds: Mapping[tuple[str, str], Roles], owner: Mapping[str, str]) -> dict[str, str]:
    """Slides that are not in the cohort → its patients, where slide ids begin with the ids of patients."""
    if not all(slide.startswith(patient) for slide, patient in owner.items()):
        return {}
    unknown = {name for roles in folds.values() for name in roles} - owner.keys()
    patients = sorted(set(owner.values()), key=len)
    return {
        name: patient
        for patient in patients
        for name in unknown
        if name.startswith(patient) and not name[len(patient) : len(patient) + 1].isalnum()
    }


def _unmatched(
    source: SplitFile, named: Mapping[str, str], known: Mapping[str, object], settings: SplitSettings
) -> list[OceanPathError]:
    """Names of the file that are not in the cohort, and names of the cohort that no fold has."""
    if settings.allow_missing:
        return []
    unknown = {row.name for row in source.rows} - named.keys()
    unused = set(known) - set(named.values())
    do = "Correct the file, or set data.allow_missing = true to continue without them."
    problems: list[OceanPathError] = []
    for names, pool, what in (
        (unknown, known, f"{source.unit}s of the split file are not in the cohort"),
        (unused, unknown, f"{source.unit}s of the cohort are not in the split file"),
    ):
        if names:
            got = f"{len(names)}: {describe_missing(names, pool)}"
            problems.append(ExperimentError(what, where=source.path, got=got, do=do))
    return problems


def _by_fold(rows: Iterable[SplitRow]) -> dict[tuple[str, str], Roles]:
    """(repeat, fold) → roles, in order."""
    found: dict[tuple[str, str], Roles] = {}
    for row in rows:
        found.setdefault((row.repeat, row.fold), defaultdict(set))[row.name].add(row.role)
    repeats, folds = in_fold_order(repeat for repeat, _ in found), in_fold_order(fold for _, fold in found)
    return {(repeat, fold): found[repeat, fold] for repeat in repeats for fold in folds if (repeat, fold) in found}


def _problems_of_folds(
    folds: Mapping[tuple[str, str], Roles], owner: Mapping[str, str], source: SplitFile
) -> list[OceanPathError]:
    """Patients with several roles in a fold, every one listed, and folds without a test set."""
    problems, pairs = list[OceanPathError](), list[tuple[str, str, set[str]]]()
    for (repeat, fold), roles in folds.items():
        name = f"fold {fold}" + (f" of repeat {repeat}" if repeat else "")
        by_patient: Roles = defaultdict(set)
        for unit, own in roles.items():
            by_patient[owner.get(unit, unit)] |= own
        pairs += [(name, patient, own) for patient, own in sorted(by_patient.items()) if len(own) > 1]
        if not any("test" in own for own in roles.values()):
            problems.append(ExperimentError("nothing is tested", where=f"{source.path} {name}"))
    return [*([_leaks(pairs, source)] if pairs else []), *problems]


def _leaks(pairs: Sequence[tuple[str, str, set[str]]], source: SplitFile) -> ExperimentError:
    """The error that lists every fold and patient with several roles."""
    learnt = sum({"train", "test"} <= own for *_, own in pairs)
    got = f"{len(pairs)} pairs of fold and patient, {learnt} of them in train and test ({source.form})"
    listed = "".join(
        f"\n  {name}: patient {patient} in {', '.join(role for role in ROLES if role in own)}"
        for name, patient, own in pairs
    )
    do = f"Give all slides of a patient one role per fold.{listed}"
    return ExperimentError("patients have several roles in a fold", where=source.path, got=got, do=do)


def _repeats(folds: Mapping[tuple[str, str], Roles]) -> dict[tuple[str, str], int]:
    """The repeat of each fold: as the file states, or each fold its own where test sets overlap."""
    named = in_fold_order(repeat for repeat, _ in folds)
    tested = [name for roles in folds.values() for name, own in roles.items() if "test" in own]
    if len(named) == 1 and len(set(tested)) < len(tested):
        return {key: number for number, key in enumerate(folds)}
    return {key: named.index(key[0]) for key in folds}


def _fold(roles: Roles, owner: Mapping[str, str], source: SplitFile, everyone: frozenset[str], repeat: int) -> Fold:
    by_role = {role: frozenset(owner[name] for name, own in roles.items() if role in own) for role in ("test", "val")}
    listed = frozenset(owner[name] for name in roles)
    slides = frozenset(roles) if source.unit == "slide" else None
    return Fold(by_role["test"], by_role["val"], everyone - listed, slides, repeat)
