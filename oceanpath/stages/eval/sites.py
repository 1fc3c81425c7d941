"""How much of a result may come from the sites: a baseline under site-preserved folds, and a probe that reads the site.

The baseline (mean pooling and a linear model) is refitted twice with the same number of folds: in one cross-validation
patients are kept together, in the other whole sites are. The probe predicts the site of a slide from its mean features
with the same linear model, under the folds that keep patients together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from oceanpath.artifacts.folds import read_splits
from oceanpath.artifacts.sites import read_sites
from oceanpath.evaluation.pooled import PooledSlides
from oceanpath.evaluation.site_probe import cross_predict, probe_sites
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stats.paired import paired_difference
from oceanpath.stats.resample import draw_patients
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import MEAN


def compare_sites(settings: EvalSettings, task: Task, split: Path, pooled: PooledSlides) -> dict[str, Any] | None:
    """The "site" of metrics.json; None where the cohort has no sites or the task has no baseline on mean features.

    Args:
        settings: Resamples, seed and confidence.
        task: What is predicted.
        split: The folds, with the sites.
        pooled: Mean features of all slides of the cohort.
    """
    baseline = next((name for name, feature in task.baselines.items() if feature == MEAN), None)
    facts = read_splits(split).get("site")
    table = read_sites(split)
    if baseline is None or facts is None:
        return None
    if table is None:
        return {"baseline": baseline, "folds": 0, "reason": facts["reason"]}
    x, targets = pooled.features[MEAN][pooled.rows(table["slide_id"].tolist())], task.targets(table["label"].tolist())
    strata, main = task.resampling_strata(targets), task.main_metric
    drawn = draw_patients(table["patient_id"].tolist(), strata, resamples=settings.resamples, seed=settings.seed)
    folds = [table[name].to_numpy(np.int64) for name in ("grouped_fold", "preserved_fold")]
    grouped, preserved = (
        task.compare(targets, cross_predict(own, x, targets, task.fit_baseline), drawn) for own in folds
    )
    return {
        "baseline": baseline,
        "folds": facts["folds"],
        "sites": int(table["site"].nunique()),
        "patient_grouped": grouped.estimate(main, settings.confidence).record(),
        "site_preserved": preserved.estimate(main, settings.confidence).record(),
        "difference": paired_difference(preserved, grouped, (main, main), settings.confidence).record(),
        "probe": probe_sites(table, x),
    }


def site_lines(found: dict[str, Any] | None) -> list[str]:
    """Notes on the sites for the reader of the numbers."""
    if found is None:
        return []
    if not found["folds"]:
        return [f"sites_not_compared: {found['reason']}"]
    probe = found["probe"]
    if probe["accuracy"] is None:
        return []
    return [
        f"site_probe: a linear model on mean features names the site of {100 * probe['accuracy']:.0f} % of "
        f"{probe['n']} slides from {probe['sites']} sites; the most frequent site has {100 * probe['majority']:.0f} %"
    ]
