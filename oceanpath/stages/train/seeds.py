"""The folds of all seeds in one published folder, numbered over the seeds, and their validation scores by seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oceanpath.artifacts import predictions
from oceanpath.artifacts.json_files import write_json
from oceanpath.stats.seed_noise import spread
from oceanpath.tasks.base import Task


def renumber(folder: Path, number: int, seed: int, task: Task) -> dict[str, Any]:
    """Write the number of a fold over all seeds into its files; returns the new contents of fold.json.

    The files in `folder` are links to those of a part, which other seeds do not change: they are replaced.
    """
    for role in predictions.ROLES:
        path = folder / f"preds_{role}.parquet"
        table = predictions.read_predictions(path, task)
        path.unlink()
        predictions.write_predictions(table.assign(fold=number), path, task)
    path = folder / "fold.json"
    facts: dict[str, Any] = json.loads(path.read_text())
    facts |= {"fold": number, "split_fold": facts["fold"], "seed": seed}
    path.unlink()
    write_json(path, facts)
    return facts


def scores_by_seed(per_fold: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The "seeds" of cv_results.json: each validation score that all folds have."""
    seeds = list(dict.fromkeys(fold["seed"] for fold in per_fold))
    known = [name for name in names if all(fold.get(name) is not None for fold in per_fold)]
    scores = {}
    for name in known:
        means = [float(np.mean([fold[name] for fold in per_fold if fold["seed"] == seed])) for seed in seeds]
        scores[name] = {"value": float(np.mean(means)), "sd": spread(means), "by_seed": means}
    return {"seeds": seeds, **scores}
