"""Slides and patients of a pretraining that must not be tested."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from oceanpath.artifacts.pretrained import WEIGHTS, hash_ids, read_facts
from oceanpath.audit.overlaps import OtherGroup


def pretraining_groups(roles: pd.DataFrame, folder: Path | None, weights: Path | None) -> list[OtherGroup]:
    """The pretrained weights with the slides and patients of the folds that they used; none without pretraining.

    Args:
        roles: One row per fold and slide.
        folder: What `pretrain` published.
        weights: A file of weights.
    """
    if folder is None:
        return [] if weights is None else [_group(roles, weights, "the pretraining")]
    groups = []
    for number in sorted(set(roles["fold"])):
        own = folder / f"fold_{number}" / WEIGHTS
        if own.is_file():
            groups.append(_group(roles[roles["fold"] == number], own, f"the pretraining of fold {number}", number))
    return groups or [_group(roles, folder / WEIGHTS, "the pretraining")]


def _group(roles: pd.DataFrame, weights: Path, name: str, fold: int | None = None) -> OtherGroup:
    facts = read_facts(weights)
    slides, patients = (
        frozenset(each for each in set(roles[column]) if hash_ids([each])[0] in used)
        for column, used in (("slide_id", set(facts.slides)), ("patient_id", set(facts.patients)))
    )
    return OtherGroup(name, slides, patients, frozenset({"test"}), fold)
