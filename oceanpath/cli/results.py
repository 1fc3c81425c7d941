"""The metrics of one evaluation as a table: slide and patient level with intervals, baselines, and warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oceanpath.artifacts.bag_unit import levels_of
from oceanpath.artifacts.metrics import FILE, read_metrics
from oceanpath.cli.table import paragraph, table
from oceanpath.pipeline.integrity import verify_files
from oceanpath.tasks.registry import read_entry

INDENT = "  "
TABLE = "table"
"""The scheme of predictions from a table."""
RATES = ("sensitivity", "specificity")
Record = Mapping[str, Any]


def results(folder: Path, title: str, confidence: float) -> str:
    """The table of the published folder of `eval` or `external`; `confidence` is the level of its intervals.

    Raises: ArtifactError: metrics.json is damaged.
    """
    verify_files(folder, [FILE])
    return metrics_table(read_metrics(folder), title, confidence)


def metrics_table(metrics: Mapping[str, Any], title: str, confidence: float) -> str:
    """The table of the contents of metrics.json."""
    task = read_entry(metrics, title)
    names, (main, main_title) = levels_of(metrics), task.main
    more = next((group for group in task.shown if metrics["level"][names[0]].keys() >= set(group)), ())
    point = metrics["operating_point"] or {level: {} for level in names}
    decided = [name for name in more if name in point[names[0]]]
    levels = [_records(metrics, level, decided) for level in names]
    blank = [""] * (len(names) - 1)
    rows = [[main_title, *(_shown(records[main]) for records in levels)]]
    rows += _seed_rows(metrics, main) + _member_rows(metrics, main)
    rows += [[f"{INDENT}{name}, baseline", _shown(records[main]), *blank] for name, records in metrics["floor"].items()]
    rows += _site_rows(metrics.get("site"), blank)
    rows += [[name.replace("_", " "), *(_shown(records[name]) for records in levels)] for name in more]
    rows += (labelled := _label_rows(metrics))
    own = metrics.get("own_metrics") or {}
    rows += [[name, *(_shown(own[level][name]) for level in names)] for name in own.get(names[0], ())]
    head = ["", *(_counted(level, records[main]) for level, records in zip(names, levels, strict=True))]
    note = f"In parentheses: {100 * confidence:g} % intervals; patients are the independent units."
    if decided := decided or (list(RATES) if labelled else []):
        where = "the mean threshold of the models" if metrics.get("external") else "each fold's own threshold"
        where = "the stated threshold" if metrics["scheme"] == TABLE else where
        note += f" {' and '.join(decided).capitalize()} at {where}."
    if metrics["selected"]:
        title += " (selected: these slides were also used for model selection)"
    if seen := metrics.get("seen_in_pretraining"):
        title += f" (seen_in_pretraining: {seen} of these patients were used for pretraining)"
    lines = [title, "", table(head, rows), "", paragraph(note)]
    if metrics["notes"]:
        lines += ["", "Warnings", *(paragraph(text, INDENT) for text in metrics["notes"])]
    return "\n".join(lines)


def _seed_rows(metrics: Mapping[str, Any], main: str) -> list[list[str]]:
    """The standard deviation over the seeds, and the mean prediction of all models that did not see a patient."""
    rows, seeds, ensemble = list[list[str]](), metrics.get("seeds"), metrics.get("ensemble")
    if seeds:
        sds = [(seeds[level].get(main) or {"sd": None})["sd"] for level in levels_of(metrics)]
        shown = ["undefined" if sd is None else f"{sd:.3f}" for sd in sds]
        rows.append([f"{INDENT}standard deviation over {len(seeds['seeds'])} seeds", *shown])
    if ensemble:
        fewest, most = ensemble["models"]["fewest"], ensemble["models"]["most"]
        count = str(most) if fewest == most else f"{fewest} to {most}"
        rows.append(
            [
                f"{INDENT}mean prediction of {count} models",
                *(_shown(ensemble[name][main]) for name in levels_of(metrics)),
            ]
        )
    return rows


def _label_rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    """Sensitivity and specificity of each of several labels, at the thresholds of the label."""
    point = metrics["operating_point"]
    names = [(f"{rate}_{label}", f"{rate}, {label}") for label in metrics.get("targets", ()) for rate in RATES]
    levels = levels_of(metrics)
    return [[title, *(_shown(point[level][name]) for level in levels)] for name, title in names if point is not None]


def _member_rows(metrics: Mapping[str, Any], main: str) -> list[list[str]]:
    """The range of the models of the folds, which are evaluated singly on an external cohort."""
    values = [fold[main]["value"] for fold in metrics["folds"] if fold[main]["value"] is not None]
    if not metrics.get("external") or len(values) < 2:
        return []
    blank = [""] * (len(levels_of(metrics)) - 1)
    return [[f"{INDENT}single models, from lowest to highest", f"{min(values):.3f} to {max(values):.3f}", *blank]]


def _site_rows(site: Mapping[str, Any] | None, blank: list[str]) -> list[list[str]]:
    """The baseline under folds that keep patients together and under folds that keep whole sites together."""
    if site is None or not site["folds"]:
        return []
    return [
        [f"{INDENT}{site['baseline']}, {name.replace('_', '-')} folds", _shown(site[name]), *blank]
        for name in ("patient_grouped", "site_preserved")
    ]


def _records(metrics: Mapping[str, Any], level: str, decided: Iterable[str]) -> Mapping[str, Record]:
    """Metric → record of a level; decisions are at the folds' own thresholds, if they have any."""
    records: Mapping[str, Record] = metrics["level"][level]
    point = metrics["operating_point"]
    return records if point is None else {**records, **{name: point[level][name] for name in decided}}


def _counted(level: str, record: Record) -> str:
    """``slides, n = 36``."""
    return f"{level}s, n = {record['n']}" if "n" in record else f"{level}s"


def _shown(record: Record) -> str:
    """``0.912 (0.880 to 0.941)``; "undefined" without a value."""
    if record["value"] is None:
        return "undefined"
    interval = "" if record["low"] is None else f" ({record['low']:.3f} to {record['high']:.3f})"
    return f"{record['value']:.3f}{interval}"
