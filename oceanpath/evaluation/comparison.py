"""A comparison of models on the same slides: each model with its interval, all pairs, ranks over the test sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from oceanpath.evaluation.model_rows import VariantRows
from oceanpath.evaluation.options import ComparisonOptions
from oceanpath.evaluation.pair_tests import PairTests, compare_pairs, family_size, seed_text
from oceanpath.stats.paired import paired_difference
from oceanpath.stats.ranks_of_models import friedman_nemenyi

FEWEST_MODELS, FEWEST_SETS = 3, 3
"""For ranks over test sets."""


def comparison_report(settings: ComparisonOptions, rows: VariantRows, notes: list[str]) -> dict[str, Any]:
    """JSON values: "models" with their main metric, "pairs" with all tests, "versus_best", "ranks" and "notes"."""
    tests, main = PairTests(settings, rows), rows.task.main_metric
    models = {name: found.estimate(main, settings.confidence).record() for name, found in tests.metrics.items()}
    known = {name: record["value"] for name, record in models.items() if record["value"] is not None}
    best = max(known, key=lambda name: known[name]) if known else next(iter(models))
    pairs = compare_pairs(settings, rows)
    versus = {
        name: paired_difference(found, tests.metrics[best], (main, main), settings.confidence).record()
        for name, found in tests.metrics.items()
        if name != best
    }
    return {
        **rows.task.record(),
        "main_metric": main,
        "confidence": settings.confidence,
        "models": models,
        "best": best,
        "versus_best": versus,
        "pairs": pairs,
        "family": family_size(pairs),
        "ranks": _ranks(tests, rows),
        "notes": notes,
    }


def _ranks(tests: PairTests, rows: VariantRows) -> dict[str, Any]:
    """Mean ranks over the test sets of a cross-validation that all models share; or the reason why there are none."""
    names, (first, *others) = list(rows.values), list(rows.folds.values())
    sets = np.unique(first)
    if len(names) < FEWEST_MODELS:
        return {"reason": f"ranks need {FEWEST_MODELS} models or more"}
    if any(not np.array_equal(first, other) for other in others):
        return {"reason": "the models were tested on different splits"}
    if len(sets) < FEWEST_SETS:
        return {"reason": f"ranks need {FEWEST_SETS} test sets or more"}
    values = [[tests.metric_of_fold(name, fold) for name in names] for fold in sets.tolist()]
    if any(value is None for row in values for value in row):
        return {"reason": f"{tests.main} is undefined in a test set"}
    found = friedman_nemenyi(np.asarray(values, np.float64))
    return {
        "test_sets": len(sets),
        "mean_ranks": dict(zip(names, found.mean_ranks.tolist(), strict=True)),
        "p": found.p,
        "critical_difference": found.critical_difference,
        "note": "test sets of one cohort share training patients, so these ranks describe and do not test",
    }


def table_rows(report: Mapping[str, Any]) -> list[list[str]]:
    """One row per model, best first: name, main metric, difference to the best, its adjusted p-value."""
    adjusted, noise = {}, {}
    for pair in report["pairs"]:
        for one, other in ((pair["this"], pair["other"]), (pair["other"], pair["this"])):
            if other == report["best"]:
                adjusted[one], noise[one] = pair["difference"]["p_holm"], seed_text(pair)
    order = sorted(report["models"], key=lambda name: -(report["models"][name]["value"] or 0.0))
    rows = []
    for name in order:
        versus = report["versus_best"].get(name)
        p = adjusted.get(name)
        shown = "" if p is None else f"{p:.2g}"
        rows.append(
            [
                name,
                format_interval(report["models"][name]),
                "best" if versus is None else format_interval(versus, "+") + noise.get(name, ""),
                shown,
            ]
        )
    return rows


def format_interval(record: Mapping[str, Any], sign: str = "") -> str:
    """``0.912 (0.880 to 0.941)``, or the reason why there is none."""
    if record["value"] is None:
        return f"undefined ({record['reason']})"
    if record["low"] is None:
        return f"{record['value']:{sign}.3f}"
    return f"{record['value']:{sign}.3f} ({record['low']:{sign}.3f} to {record['high']:{sign}.3f})"
