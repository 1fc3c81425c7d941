"""The label table joined with the store, with nothing lost quietly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.ids import describe_missing, slide_id
from oceanpath.artifacts.tables import read_user_table
from oceanpath.errors import ExperimentError, nearest
from oceanpath.stages.split.settings import SplitSettings

ALIASES = {
    "slide_id": ("slide", "slide_path", "filename", "image_id", "wsi", "sample_id"),
    "patient_id": ("case_id", "patient", "case", "submitter_id", "participant_id", "subject_id"),
    "label": ("target", "category", "class", "response", "diagnosis", "ground_truth"),
}
SHOWN = 5


@dataclass(frozen=True)
class Cohort:
    """Rows that have everything, sorted by slide id, and who was left out why."""

    frame: pd.DataFrame
    """Columns slide_id, patient_id, label."""
    excluded: dict[str, list[str]]
    """Reason → slide ids."""


def join(settings: SplitSettings, labels: Path, in_store: list[str], blank: Sequence[str] = ()) -> Cohort:
    """The cohort that can be split; `blank` slides have no bag, which is known and no mistake of the table.

    Raises: ExperimentError: a column is missing, an id is there twice or, unless allowed, slides and rows differ.
    """
    table = _columns(settings, read_user_table(labels), labels)
    _refuse_twins(table, labels)
    named, stored = set(table["slide_id"]), set(in_store)
    known = table["label"].isin(settings.classes) if settings.classes else table["label"].notna()
    _refuse_classes(settings, table, labels)
    excluded = {
        "in the table, without features": sorted(named - stored - set(blank)),
        "with features, not in the table": sorted(stored - named),
        "without a label": sorted(table.loc[table["label"].isna(), "slide_id"]),
        "with a label that is no class": sorted(table.loc[table["label"].notna() & ~known, "slide_id"]),
        "without a patient": sorted(table.loc[table["patient_id"].isna(), "slide_id"]),
    }
    excluded = {reason: names for reason, names in excluded.items() if names}
    if excluded and not settings.allow_missing:
        raise _unmatched(excluded, named, stored, labels)
    if empty := sorted(named & set(blank)):
        excluded["blank, without a patch"] = empty
    keep = table["slide_id"].isin(stored) & known & table["patient_id"].notna()
    frame = table[keep].sort_values("slide_id", ignore_index=True)
    if frame.empty:
        raise ExperimentError("no slide has both features and a label", where=labels)
    return Cohort(frame, excluded)


def _columns(settings: SplitSettings, table: pd.DataFrame, path: Path) -> pd.DataFrame:
    wanted = {"slide_id": settings.slide_id, "label": settings.label}
    if not settings.one_slide_per_patient:
        wanted["patient_id"] = settings.patient_id
    for key, column in wanted.items():
        if column not in table.columns:
            raise _no_column(key, column, list(table.columns), path)
    frame = pd.DataFrame({key: table[column] for key, column in wanted.items()})
    if frame["slide_id"].isna().any():
        rows = (frame.index[frame["slide_id"].isna()] + 2)[:SHOWN].tolist()
        raise ExperimentError("rows without a slide id", where=path, got=f"lines {rows}")
    frame["slide_id"] = frame["slide_id"].map(slide_id)
    if settings.one_slide_per_patient:
        frame["patient_id"] = frame["slide_id"]
    return frame


def _no_column(key: str, column: str, columns: list[str], path: Path) -> ExperimentError:
    """A missing column, with the one that is probably meant; it is offered, never taken."""
    lower = {name.lower(): name for name in columns}
    likely = [lower[name] for name in (key, *ALIASES[key]) if name in lower] or nearest(column, columns)
    do = f'Set data.{key} = "{likely[0]}".' if likely else f"Set data.{key} to the right one."
    if key == "patient_id":
        do += " If every slide is another patient, say so: data.one_slide_per_patient = true."
    return ExperimentError(f"no column '{column}' for data.{key}", where=path, do=f"It has {', '.join(columns)}. {do}")


def _refuse_twins(table: pd.DataFrame, path: Path) -> None:
    twice = sorted(name for name, count in Counter(table["slide_id"]).items() if count > 1)
    if twice:
        got = ", ".join(twice[:SHOWN]) + (f" and {len(twice) - SHOWN} more" if len(twice) > SHOWN else "")
        raise ExperimentError(f"{len(twice)} slide ids stand in the table more than once", where=path, got=got)


def _refuse_classes(settings: SplitSettings, table: pd.DataFrame, path: Path) -> None:
    found = Counter(table["label"].dropna())
    said = ", ".join(f"{name} ({count})" for name, count in sorted(found.items())[:12])
    if not settings.classes:
        do = f"Set data.classes, in order, for example classes = [{', '.join(repr(n) for n in sorted(found)[:6])}]."
        raise ExperimentError("the classes and their order are not stated", where="[data] classes", do=do)
    if absent := [name for name in settings.classes if name not in found]:
        where = f"{path} column {settings.label}"
        raise ExperimentError("a class has no slide", where=where, expected=", ".join(absent), got=said)


def _unmatched(excluded: dict[str, list[str]], named: set[str], stored: set[str], path: Path) -> ExperimentError:
    pools = {"in the table, without features": stored - named, "with features, not in the table": named - stored}
    lines = []
    for reason, names in excluded.items():
        lines.append(f"\n  {len(names)} {reason}: {describe_missing(names, pools.get(reason, ()), SHOWN)}")
    do = "Mend the table, or set data.allow_missing = true to go on without them." + "".join(lines)
    return ExperimentError("slides and table rows do not match", where=path, do=do)
