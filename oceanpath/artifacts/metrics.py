"""Metrics: what an evaluation found, as finite JSON.

    metrics.json   {"classes", "scheme", "selected",
                    "level": {"slide": {metric: record}, "patient": {metric: record}},
                    "operating_point": null or {"rule", "thresholds", "slide": {metric: record}, "patient": {...}},
                    "floor": {name: {metric: record}},
                    "versus_baseline": {name: record with "p" and "verdict"},
                    "folds": [{"fold", "n", "n_patients", "auroc": record, ...}],
                    "notes": [text], "cohort_flow": as in `oceanpath.artifacts.folds`, or null}

A record is {"value", "low", "high", "n", "n_patients", "resamples", "redrawn"}: the number, its percentile interval
over resampled patients, how many rows and patients it is made of, how many resamples, and how many of them were drawn
again because a class was missing. low and high are null, with a "reason", where no interval exists. A number that is
undefined is {"value": null, "reason": text}, never NaN. Where the evaluation is "selected" (its rows also chose
something), every record says "selected": true as well.

Metrics: auroc and auprc (macro one-vs-rest beyond two classes), auroc_within_folds (pairs of rows of the same fold
only), balanced_accuracy, f1 (macro), mcc, kappa, accuracy, brier, ece (always without an interval); for two classes
also sensitivity and specificity of the last class.

The baselines, under the key "floor", are mean_pool_lr, max_pool_lr, majority and bag_length. `versus_baseline` is the
AUROC of the model's slides minus that of each baseline with its paired interval, and a verdict from that interval
alone: "worse" (below 0), "better" (above 0), "not_shown_better" (it includes 0), or "undetermined" (there is none). All
but "better" have a note, which starts with worse_than_floor, not_shown_better_than_baseline or
not_compared_with_baseline. A note that starts with fold_scales_differ says that the interval of auroc minus
auroc_within_folds excludes 0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError

FILE = "metrics.json"
LEVELS = ("slide", "patient")
BASELINES = ("mean_pool_lr", "max_pool_lr", "majority", "bag_length")
RANKING = ("auroc", "auroc_within_folds", "auprc")
REQUIRED = (*RANKING, "balanced_accuracy", "f1", "mcc", "kappa", "accuracy", "brier", "ece")
KEYS = ("classes", "scheme", "selected", "level", "operating_point", "floor", "versus_baseline", "folds", "notes")
ROUNDING = 1e-12
"""A number may lie outside its interval by this much."""


def write_metrics(metrics: Mapping[str, Any], out: Path) -> None:
    """Write metrics.json below `out`, keys sorted.

    Raises: ArtifactError: a promise of this page is broken.
    """
    _check(metrics, where=out)
    write_json(out / FILE, metrics)


def read_metrics(path: Path) -> dict[str, Any]:
    """The contents of metrics.json below `path`.

    Raises: ArtifactError: missing, unreadable, or a promise of this page is broken.
    """
    try:
        found: dict[str, Any] = json.loads((path / FILE).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"no readable {FILE}", where=path, got=error) from error
    _check(found, where=path)
    return found


def check(path: Path) -> None:
    """Read metrics.json below `path` and hold the promises of this page.

    Raises: ArtifactError: missing, unreadable, or a promise is broken.
    """
    read_metrics(path)


def _check(metrics: Mapping[str, Any], where: Path) -> None:
    if missing := [key for key in KEYS if key not in metrics]:
        raise ArtifactError("metrics lack a key", where=where, expected=list(KEYS), got=f"without {missing}")
    selected = metrics["selected"]
    for level in LEVELS:
        _check_group(metrics["level"].get(level), f"level.{level}", where, selected)
    for name in BASELINES:
        _check_group(metrics["floor"].get(name), f"floor.{name}", where, selected)
        _check_verdict(metrics["versus_baseline"].get(name), f"versus_baseline.{name}", where, selected)
    records = {f"folds.{fold['fold']}.auroc": fold["auroc"] for fold in metrics["folds"]}
    if (point := metrics["operating_point"]) is not None:
        records |= {f"operating_point.{a}.{b}": record for a in LEVELS for b, record in point[a].items()}
    for name, record in records.items():
        _check_record(record, name, where, selected)


def _check_group(group: Mapping[str, Any] | None, name: str, where: Path, selected: bool) -> None:
    if group is None:
        raise ArtifactError("metrics lack a group", where=where, expected=name)
    if missing := sorted(set(REQUIRED) - set(group)):
        raise ArtifactError("a metric is missing", where=f"{where} {name}", expected=missing)
    for metric, record in group.items():
        _check_record(record, f"{name}.{metric}", where, selected)


def _check_verdict(record: Mapping[str, Any] | None, name: str, where: Path, selected: bool) -> None:
    if record is None:
        raise ArtifactError("a baseline is not compared with the model", where=where, expected=name)
    _check_record(record, name, where, selected)
    low, high = record.get("low"), record.get("high")
    if low is None or high is None:
        expected = "undetermined"
    else:
        expected = "worse" if high < 0 else "better" if low > 0 else "not_shown_better"
    if record.get("verdict") != expected:
        spot = f"{where} {name}"
        raise ArtifactError("the verdict does not follow from the interval", where=spot, expected=expected, got=record)


def _check_record(record: Mapping[str, Any], name: str, where: Path, selected: bool) -> None:
    spot = f"{where} {name}"
    if selected and record.get("selected") is not True:
        raise ArtifactError('a number of selected rows does not carry the word "selected"', where=spot)
    numbers = [record.get(key) for key in ("value", "low", "high")]
    if any(number is not None and not math.isfinite(number) for number in numbers):
        raise ArtifactError("a number is not finite", where=spot, got=dict(record))
    if None in (numbers if numbers[0] is not None else numbers[:1]) and not record.get("reason"):
        raise ArtifactError("a number is missing without a reason", where=spot, got=dict(record))
    known = [number for number in numbers if number is not None]
    if len(known) == 3 and not known[1] - ROUNDING <= known[0] <= known[2] + ROUNDING:
        raise ArtifactError("a number lies outside its own interval", where=spot, got=dict(record))
    if numbers[0] is not None and "n" not in record:
        raise ArtifactError("a number does not say of how many rows it is", where=spot, got=dict(record))
