"""Metrics: the results of an evaluation, as finite JSON.

    metrics.json   {"scheme", "selected", "repeats", and the keys of the task: {"classes"} for classification,
                    "level": {"slide": {metric: record}, "patient": {metric: record}},
                    "operating_point": null or {"rule", "thresholds", "slide": {metric: record}, "patient": {...}},
                    `"floor"`: {baseline: {metric: record}},
                    "versus_baseline": {baseline: record with "p" and "verdict"},
                    "ensemble": null or {"models": {"fewest", "median", "most"}, "slide": {metric: record},
                    "patient": {...}},
                    "folds": [{"fold", "n", "n_patients", metric: record, ...}],
                    "site": null or {...}, "external": the name of the cohort (only in `oceanpath.artifacts.external`),
                    "notes": [text], "cohort_flow": as in `oceanpath.artifacts.folds`, or null}

A record is {"value", "low", "high", "n", "n_patients", "resamples", "redrawn", "method"}: the number, its interval, the
numbers of rows and patients, the number of resamples, how many of them were drawn again because a stratum (a class) was
missing, and the method of the interval; a method in closed form uses no resamples. low and high are null, with a
"reason" and without a method, where no interval exists. A number that is undefined is {"value": null, "reason": text},
never NaN. Where the evaluation is "selected" (its rows also selected something), every record holds "selected": true as
well; where tested patients were used for pretraining, every record and the report hold "seen_in_pretraining", their
number.

Where bags are patients (`data.bag`), the report has "bag": "patient": all predictions and baselines are of patients,
and every record of the level "slide" is undefined with this reason.

All levels and baselines hold the same metrics: those of the task (`oceanpath.tasks`). For classification these are
auroc and auprc (macro one-vs-rest beyond two classes), auroc_within_folds (pairs of rows of the same fold only),
auroc_fold_mean (the mean of the folds' AUROCs), balanced_accuracy, f1 (macro), mcc, kappa, kappa_quadratic (for ordered
classes), accuracy, brier, brier_scaled, log_loss, ece, ece_equal_mass, ece_debiased and ici (these four always without
an interval), calibration_intercept and calibration_slope; for two classes also sensitivity, specificity, ppv and npv of
the last class, beyond two auroc_hand_till. Its baselines are mean_pool_lr, max_pool_lr, majority and bag_length, and
clinical where `data.clinical` names columns.

"confusion" of a classification is a table of counts, true classes in rows: test slides by their most probable class.

Where test sets are repeated ("repeats" > 1), metrics are means over the repeats, n counts different slides or patients,
and decisions are counted over all repeats together (n counts them). "ensemble" then has the metrics of one prediction
per slide: the mean of all models that did not see its patient; "models" counts these models per slide.

Where several seeds were trained, every seed is a repeat, and "seeds" is {"seeds": [seed], "slide": {metric: record},
"patient": {...}} with records {"value", "sd", "by_seed"}: the mean over the seeds, their standard deviation, and the
metric of each seed.

"site" is null where the cohort has no sites, otherwise {"baseline", "folds", "sites", "patient_grouped": record,
"site_preserved": record, "difference": record, "probe"}: the main metric of the slides of one baseline, refitted in two
cross-validations with the same number of folds; in the first, patients are kept together, in the second, whole sites.
"probe" is {"accuracy", "majority", "n", "sites"}: how often a linear model on mean features names the site of a slide,
and the share of the most frequent site. {"baseline", "folds": 0, "reason"} states why there is no comparison.

"own_metrics" is absent where `eval.metrics` names none, otherwise {"slide": {name: record}, "patient": {name: record}}.

For several labels, "operating_point" has sensitivity, specificity, ppv and npv of each label on the rows where it is
known, as "sensitivity_<label>", and "thresholds" has {column: threshold} per fold; null if the fold has no threshold of
the label, which then has no such metrics.

For two classes, "operating_points" has further thresholds that were selected on the inner validation rows of each fold
("sensitivity_95", "specificity_95", and "cost" if `eval.cost_ratio` is set), each as "operating_point" or with a
"reason"; "calibration_methods" {method: {metric: record} or {"reason"}} judges the test slides after calibration by
temperature, platt, isotonic and beta, fitted to the same validation rows, next to "none"; "decision_curve" is
{"thresholds", "model", "all", "low", "high"}, the net benefit of the test slides.

"sealed" of a revealed test has the "plan" and "sha256" of `oceanpath.artifacts.analysis_plan`.

Every operating point of two classes has a "stability": {"grade", "reason", "shifts": {distance: {"sensitivity",
"specificity"}}}, the largest change of both on the test slides when all thresholds are raised or lowered by a distance.
The grade is A if both change by at most 0.02 at a distance of 0.01, B by 0.05, C by 0.10, otherwise D; null with a
"reason" where it is not defined.

"subgroups", if `eval.subgroups` names columns, is {"smallest", "metric", "family", "columns": {column: {"groups":
{value: record with "difference"}, "worst", "too_small": {value: patients}}}}; "difference" is the group minus all
others, with "p" and "p_holm".

`versus_baseline` is the main metric of the task (AUROC) of the model's slides minus that of each baseline with its
paired interval, and a verdict from that interval alone: "worse" (below 0), "better" (above 0), "not_shown_better" (it
includes 0), or "undetermined" (there is none). All but "better" have a note, which starts with worse_than_floor,
not_shown_better_than_baseline or not_compared_with_baseline. A note that starts with fold_scales_differ states that
the interval of auroc minus auroc_within_folds excludes 0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError

FILE = "metrics.json"
LEVELS = ("slide", "patient")
KEYS = ("scheme", "selected", "level", "operating_point", "floor", "versus_baseline", "folds", "notes")
ROUNDING = 1e-12
"""Tolerance by which a number may be outside its interval."""


def write_metrics(metrics: Mapping[str, Any], out: Path) -> None:
    """Write metrics.json below `out`, keys sorted.

    Raises: ArtifactError: they are not as described above.
    """
    _check(metrics, where=out)
    write_json(out / FILE, metrics)


def read_metrics(path: Path) -> dict[str, Any]:
    """The contents of metrics.json below `path`.

    Raises: ArtifactError: missing, unreadable, or not as described above.
    """
    try:
        metrics: dict[str, Any] = json.loads((path / FILE).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"no readable {FILE}", where=path, got=error) from error
    _check(metrics, where=path)
    return metrics


def require(metrics: Mapping[str, Any], names: Iterable[str], baselines: Iterable[str], where: Path) -> None:
    """Raise ArtifactError unless the levels hold the metrics `names`, and there are exactly these baselines."""
    if missing := sorted(set(names) - set(metrics["level"]["slide"])):
        raise ArtifactError("a metric is missing", where=where, expected=missing)
    if (expected := sorted(baselines)) != (got := sorted(metrics["floor"])):
        raise ArtifactError("the baselines are not those of the task", where=where, expected=expected, got=got)


def _check(metrics: Mapping[str, Any], where: Path) -> None:
    if missing := [key for key in KEYS if key not in metrics]:
        raise ArtifactError("metrics lack a key", where=where, expected=list(KEYS), got=f"without {missing}")
    selected = metrics["selected"]
    baselines = sorted(metrics["floor"].keys() | metrics["versus_baseline"].keys())
    groups = {f"level.{level}": metrics["level"].get(level) for level in LEVELS}
    groups |= {f"floor.{name}": metrics["floor"].get(name) for name in baselines}
    _check_groups(groups, where, selected)
    for name in baselines:
        _check_verdict(metrics["versus_baseline"].get(name), f"versus_baseline.{name}", where, selected)
    records = {
        f"folds.{fold['fold']}.{name}": record
        for fold in metrics["folds"]
        for name, record in fold.items()
        if isinstance(record, dict)
    }
    if (point := metrics["operating_point"]) is not None:
        records |= {f"operating_point.{a}.{b}": record for a in LEVELS for b, record in point[a].items()}
    if (ensemble := metrics.get("ensemble")) is not None:
        records |= {f"ensemble.{a}.{b}": record for a in LEVELS for b, record in ensemble[a].items()}
    if (own := metrics.get("own_metrics")) is not None:
        records |= {f"own_metrics.{a}.{b}": record for a in LEVELS for b, record in own[a].items()}
    for name, record in (records | _further_records(metrics)).items():
        _check_record(record, name, where, selected)
    for name, record in _seed_records(metrics).items():
        _check_mark(record, f"{where} {name}", selected)
    if (site := metrics.get("site")) is not None and site["folds"]:
        for name in ("patient_grouped", "site_preserved", "difference"):  # of a baseline, which selects nothing
            _check_record(site[name], f"site.{name}", where, selected=False)


def _seed_records(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    seeds = metrics.get("seeds", {})
    return {f"seeds.{level}.{name}": record for level in LEVELS for name, record in seeds.get(level, {}).items()}


def _further_records(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The records of further operating points, calibration methods and subgroups."""
    records = {
        f"operating_points.{point}.{level}.{name}": record
        for point, found in metrics.get("operating_points", {}).items()
        if "rule" in found
        for level in LEVELS
        for name, record in found[level].items()
    }
    records |= {
        f"calibration_methods.{method}.{name}": record
        for method, found in metrics.get("calibration_methods", {}).items()
        if "reason" not in found
        for name, record in found.items()
    }
    columns = metrics.get("subgroups", {}).get("columns", {})
    return records | {
        f"subgroups.{column}.{name}": record
        for column, found in columns.items()
        for name, record in found["groups"].items()
    }


def _check_groups(groups: Mapping[str, Mapping[str, Any] | None], where: Path, selected: bool) -> None:
    """Raise ArtifactError unless every group is present and has the same metrics."""
    if missing := [name for name, group in groups.items() if group is None]:
        raise ArtifactError("metrics lack a group", where=where, expected=", ".join(missing))
    known = {name: group for name, group in groups.items() if group is not None}
    metrics = {metric for group in known.values() for metric in group}
    for name, group in known.items():
        if lacking := sorted(metrics - group.keys()):
            raise ArtifactError("a metric is missing", where=f"{where} {name}", expected=lacking)
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


def _check_mark(record: Mapping[str, Any], where: str, selected: bool) -> None:
    if selected and record.get("selected") is not True:
        raise ArtifactError('a number of selected rows lacks "selected": true', where=where)


def _check_record(record: Mapping[str, Any], name: str, where: Path, selected: bool) -> None:
    spot = f"{where} {name}"
    _check_mark(record, spot, selected)
    numbers = [record.get(key) for key in ("value", "low", "high")]
    if any(number is not None and not math.isfinite(number) for number in numbers):
        raise ArtifactError("a number is not finite", where=spot, got=dict(record))
    if None in (numbers if numbers[0] is not None else numbers[:1]) and not record.get("reason"):
        raise ArtifactError("a number is missing without a reason", where=spot, got=dict(record))
    known = [number for number in numbers if number is not None]
    if len(known) == 3 and not known[1] - ROUNDING <= known[0] <= known[2] + ROUNDING:
        raise ArtifactError("a number is outside its own interval", where=spot, got=dict(record))
    if numbers[0] is not None and "n" not in record:
        raise ArtifactError("a number lacks its number of rows", where=spot, got=dict(record))
