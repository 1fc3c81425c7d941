"""One winner of the searches in all folds, as an experiment file that runs without the search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Any

import tomli_w

from oceanpath.fit.search_space import MODEL, Choices, read_space
from oceanpath.stages.train.settings import TrainSettings

Winners = Sequence[Mapping[str, Any]]
"""Dotted key → value, for each fold."""


def fold_winners(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The best settings of every fold, from cv_results.json; empty if nothing was searched."""
    return [fold["search"]["values"] for fold in results["per_fold"] if "search" in fold]


def common_winner(settings: TrainSettings, winners: Winners) -> dict[str, Any]:
    """For each key the middle value of the folds' winners, or the most frequent choice; of equal ones the first."""
    assert settings.search is not None, "the settings have a search"
    space, winner = read_space(settings.search.space), dict[str, Any]()
    for key in winners[0]:
        values = [one[key] for one in winners]
        known = space[key]
        if isinstance(known, Choices):
            counts = Counter(known.values.index(value) for value in values)
            winner[key] = known.values[min(counts, key=lambda number: (-counts[number], number))]
        else:
            winner[key] = median_low(values)
    return winner


def render_winner(name: str, extends: str, values: Mapping[str, Any], folds: int) -> str:
    """The text of the experiment file."""
    train: dict[str, Any] = {key: value for key, value in values.items() if not key.startswith(f"{MODEL}.")}
    model = {key.removeprefix(f"{MODEL}."): value for key, value in values.items() if key not in train}
    comment = f"# The winner of the search of {name}.\n"
    if folds > 1:
        comment = (
            f"# The winner of the search of {name}: for each key the middle or most frequent value of {folds} folds.\n"
            "# The inner validation patients of one fold are tested in another, so results on the same patients are\n"
            "# marked as selected. Unbiased numbers are those of the search itself, and those of external cohorts.\n"
        )
        train["selection"] = "searched"
    tables: dict[str, Any] = {"name": f"{name}_winner", "extends": extends}
    tables["train"] = {**train, "search": {"trials": 0}}
    return comment + tomli_w.dumps(tables | ({"model": model} if model else {}))
