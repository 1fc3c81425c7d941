"""Slides and patients that appear in several roles of a fold, or in a fold and in another group of slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from oceanpath.artifacts.audit_report import NOT_CHECKED, Finding, verdict
from oceanpath.artifacts.folds import ROLES

COLUMNS = ["fold", "slide_id", "patient_id", "role"]


class OtherGroup(NamedTuple):
    """Slides outside the folds that must not contain a test patient: those of a pretraining, or an external cohort."""

    name: str
    slides: frozenset[str]
    patients: frozenset[str]
    conflicts_with: frozenset[str]
    """The roles with which it may share nothing."""
    fold: int | None = None
    """The fold for which it matters; None: every fold."""


def shared_units(roles: pd.DataFrame, unit: str, others: Sequence[OtherGroup] = ()) -> Finding:
    """The slides or patients with several roles in a fold, or that another group shares.

    Args:
        roles: One row per fold and slide, `COLUMNS`; patient_id is "" where it is unknown.
        unit: "slide" or "patient".
        others: Further groups.
    """
    check, column = f"shared_{unit}s", f"{unit}_id"
    known = roles[roles[column] != ""]
    if known.empty:
        return Finding(check, NOT_CHECKED, f"the {unit}s are unknown")
    by_unit = known.groupby(["fold", column], sort=False)["role"].agg(set).reset_index()
    items = [
        {"fold": fold, unit: name, "roles": [role for role in ROLES if role in own]}
        for fold, name, own in zip(by_unit["fold"], by_unit[column], by_unit["role"], strict=True)
        if len(own) > 1
    ]
    shared = [item for group in others for item in _shared_with(group, known, unit)]
    every = [*items, *shared]
    return Finding(check, verdict(bool(every)), _text(items, shared, known, unit), float(len(every)), 0.0, every)


def _shared_with(group: OtherGroup, known: pd.DataFrame, unit: str) -> list[dict[str, object]]:
    own = group.slides if unit == "slide" else group.patients
    both = known[known[f"{unit}_id"].isin(own) & known["role"].isin(group.conflicts_with)]
    both = both if group.fold is None else both[both["fold"] == group.fold]
    names = both.groupby(f"{unit}_id")["role"].agg(set)
    return [
        {"fold": "", unit: name, "roles": [*(role for role in ROLES if role in found), group.name]}
        for name, found in names.items()
    ]


def _text(
    items: Sequence[Mapping[str, object]], shared: Sequence[Mapping[str, object]], known: pd.DataFrame, unit: str
) -> str:
    counts = f"{known[f'{unit}_id'].nunique()} {unit}s in {known['fold'].nunique()} folds"
    parts = []
    if items:
        tested = sum("train" in str(item["roles"]) and "test" in str(item["roles"]) for item in items)
        parts.append(f"{len(items)} pairs of fold and {unit} have several roles, {tested} of them train and test")
    if shared:
        groups = sorted({str(list(item["roles"])[-1]) for item in shared})  # type: ignore[call-overload]  # a list
        parts.append(f"{len(shared)} {unit}s are also in {', '.join(groups)}")
    return f"{'; '.join(parts)} ({counts})" if parts else f"every {unit} has one role per fold ({counts})"
