"""Which models test a slide: one per slide, or several in ensembles, in repeats and of several seeds.

`cv_results.json` has the key "plan" (see `oceanpath.artifacts.folds`) where a scheme has repeats, ensembles or names,
or where several seeds were trained. Each seed is then a repeat of the whole cross-validation, the folds are numbered
over all seeds, and the entries also have "seed" and "split_fold", the number of the fold in splits.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class FoldPlan:
    """The repeat and the ensemble of every fold."""

    repeats: tuple[int, ...]
    ensembles: tuple[int, ...]
    """Number of the first fold of the ensemble."""
    names: tuple[str, ...]
    """What each fold tests, or ""."""
    seeds: tuple[int, ...]
    """Seed of each fold, if there are several; otherwise 0."""
    split_folds: tuple[int, ...]
    """Number of each fold in splits.json."""

    @property
    def seed_list(self) -> list[int]:
        """The seeds, in the order of training."""
        return list(dict.fromkeys(self.seeds))

    @property
    def n_repeats(self) -> int:
        """Number of repeats."""
        return len(set(self.repeats))

    @property
    def repeats_text(self) -> str:
        """What the repeats are: ``"3 seeds"``, ``"5 repeats"``, or both."""
        seeds, repeats = len(self.seed_list), self.n_repeats // len(self.seed_list)
        counts = [(repeats, "repeats"), (seeds, "seeds")]
        return " of ".join(f"{count} {name}" for count, name in counts if count > 1)

    @property
    def has_ensembles(self) -> bool:
        """Whether several folds test the same slides within a repeat."""
        return len(set(self.ensembles)) < len(self.ensembles)

    @property
    def has_several_models(self) -> bool:
        """Whether several models predict a slide: those of an ensemble, or of several repeats."""
        return self.has_ensembles or self.n_repeats > 1

    def members(self, ensemble: int) -> list[int]:
        """The folds of an ensemble."""
        return [fold for fold, own in enumerate(self.ensembles) if own == ensemble]


def read_plan(record: Mapping[str, Any]) -> FoldPlan:
    """The plan of a splits.json or cv_results.json; without one, every fold is alone in a single repeat."""
    plan = record.get("plan") or [
        {"repeat": 0, "ensemble": number, "name": ""} for number in range(int(record["folds"]))
    ]
    repeats, ensembles = (tuple(int(entry[key]) for entry in plan) for key in ("repeat", "ensemble"))
    seeds = tuple(int(entry.get("seed", 0)) for entry in plan)
    split_folds = tuple(int(entry.get("split_fold", number)) for number, entry in enumerate(plan))
    return FoldPlan(repeats, ensembles, tuple(str(entry["name"]) for entry in plan), seeds, split_folds)


def plan_of_seeds(plan: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The plan of all folds of splits.json, repeated for every seed."""
    repeats = 1 + max(int(entry["repeat"]) for entry in plan)
    return [
        {
            "repeat": number * repeats + entry["repeat"],
            "ensemble": number * len(plan) + entry["ensemble"],
            "name": entry["name"],
            "seed": seed,
            "split_fold": fold,
        }
        for number, seed in enumerate(seeds)
        for fold, entry in enumerate(plan)
    ]


def is_plain(plan: FoldPlan) -> bool:
    """Whether the plan says no more than the number of folds."""
    return not plan.has_several_models and not any(plan.names)


def average_ensembles(frame: pd.DataFrame, plan: FoldPlan, columns: Sequence[str]) -> pd.DataFrame:
    """Test rows [n] → one row per slide and repeat: the mean prediction of the ensemble that tested it.

    Args:
        frame: The test rows of all folds, sorted by fold, then slide.
        plan: The plan of the folds.
        columns: Columns of the predictions.

    Returns: The same columns; fold is the first fold of the ensemble.
    """
    if not plan.has_ensembles:
        return frame
    rows = frame.assign(fold=frame["fold"].map(dict(enumerate(plan.ensembles))))
    return _averaged(rows, ["fold", "slide_id"], columns)


def average_models(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Test rows [n] → one row per slide: the mean prediction of all models that did not see its patient.

    Returns: The rows with a further column models, their number.
    """
    counts = frame.groupby("slide_id")["fold"].nunique()
    rows = _averaged(frame, ["slide_id"], columns)
    return rows.assign(models=rows["slide_id"].map(counts))


def _averaged(rows: pd.DataFrame, keys: list[str], columns: Sequence[str]) -> pd.DataFrame:
    """One row per value of `keys`, sorted by them: the means of `columns`, and the first value of all others."""
    others = {name: "first" for name in rows.columns if name not in (*keys, *columns)}
    grouped = rows.groupby(keys, sort=True, as_index=False)
    averaged: pd.DataFrame = grouped.agg({**others, **dict.fromkeys(columns, "mean")})
    return averaged[list(rows.columns)]
