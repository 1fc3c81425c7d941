"""The contents of the report of an experiment, section by section, as plain values for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oceanpath.artifacts.bag_unit import SLIDE, levels_of, unit_of
from oceanpath.reporting.checklists import CHECKLISTS, FILLED, NEEDS_YOU, fill_checklist
from oceanpath.reporting.documents import ANALYSIS, AUDIT, LEDGER, METRICS, Documents
from oceanpath.reporting.fill import estimate
from oceanpath.reporting.readings import Terms, read_metric, reason_of, split_appendix
from oceanpath.reporting.tables import baseline_rows, subgroup_tables, table_one
from oceanpath.tasks.registry import CLASSIFICATION, read_entry, read_titles

POINTS = {
    "youden": "Youden's J",
    "sensitivity_95": "95 % sensitivity",
    "specificity_95": "95 % specificity",
    "cost": "Stated costs",
}
"""Operating point → what its threshold was selected for."""
PRIOR = (
    "AUROC on internal data exceeds that on external data by 0.067 in the median of 380 pairs (19 encoders, 20 pairs "
    "of a task and a hospital, which are not independent; 16 % of the differences are negative; results of PathBench, "
    "birkhoffkiki/PathBench at commit 80d4ef5). An internal figure alone is likely to be optimistic elsewhere."
)
"""What to expect of another hospital."""


def page_context(documents: Documents) -> dict[str, Any]:
    """Everything that the template shows, except for figures."""
    metrics = documents.look(METRICS)
    main, title = read_entry(metrics, documents.name).main
    classes, titles = metrics.get("classes", ()), read_titles(metrics, documents.name)
    words = {"main": main, "title": title}
    lists = {name: fill_checklist(name, documents, words) for name in CHECKLISTS}
    return {
        "name": documents.name,
        "main": title,
        "headline": _headline(metrics, main, title, titles),
        "classes": classes,
        "question": _question(documents, metrics),
        "notes": [_note(note, titles) for note in metrics["notes"]],
        "flow": _flow(documents),
        "table_one": table_one(documents.get("split/balance.csv#rows", ())),
        "folds": documents.get("split/splits.json#folds", 1),
        "audit": documents.get(f"{AUDIT}#checks", ()),
        "levels": [f"{level.capitalize()}s" for level in levels_of(metrics)],
        **_performance(metrics, Terms.of(metrics, titles)),
        "points": _points(metrics),
        "calibration": _calibration(metrics),
        "confusion": metrics.get("confusion"),
        "baselines": baseline_rows(metrics, main, titles),
        "subgroups": subgroup_tables(metrics.get("subgroups")),
        "external": _external(documents, metrics, main),
        "prior": PRIOR if main == "auroc" else "",
        "attention": documents.get(f"{ANALYSIS}#attention", ()),
        "checklists": lists,
        "counts": {name: _counts(items) for name, items in lists.items()},
        "steps": _steps(documents),
        "run": documents.files.get(LEDGER),
        "environment": documents.get("eval/manifest.json#environment", {}),
        "selected": metrics["selected"],
    }


def _headline(metrics: Mapping[str, Any], main: str, title: str, titles: Mapping[str, str]) -> list[str]:
    """The result in sentences."""
    record = metrics["level"][unit_of(metrics)][main]
    slides = f"{record.get('n', '?')} test slides of " if unit_of(metrics) == SLIDE else "test predictions of "
    tested = f"on {slides}{record.get('n_patients', '?')} patients"
    lines = [f"{title} {estimate(record)} {tested}."]
    verdicts = {titles.get(name, name): found["verdict"] for name, found in metrics["versus_baseline"].items()}
    worse = [name for name, verdict in verdicts.items() if verdict == "worse"]
    unclear = [name for name, verdict in verdicts.items() if verdict not in ("better", "worse")]
    lines += [f"Worse than the baseline: {'; '.join(worse)}."] if worse else []
    lines += [f"Not shown to be better than the baseline: {'; '.join(unclear)}."] if unclear else []
    if verdicts and not worse and not unclear:
        lines.append("Better than every baseline: the intervals of all differences are above 0.")
    if metrics["selected"]:
        lines.append("Selected: these slides were also used for selection, so every number is optimistic.")
    return lines


def _note(note: str, titles: Mapping[str, str]) -> tuple[str, str]:
    """The kind of a warning, and its text, with the title of a baseline."""
    kind, _, text = note.partition(": ")
    name, separator, rest = text.partition(": ")
    return kind.replace("_", " ").replace("floor", "baseline"), titles.get(name, name) + separator + rest


def _question(documents: Documents, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was asked, as terms and their values."""
    rows = [
        ("Task", metrics.get("task", CLASSIFICATION)),
        ("Classes", ", ".join(metrics.get("classes", ()))),
        ("Labels", ", ".join(metrics.get("targets", ()))),
        ("Unit of time", metrics.get("time_unit", "")),
        ("Model", documents.get("train/cv_results.json#model.name", "")),
        ("Patch encoder", documents.get("extract/manifest.json#identity.settings.encoder", "existing features")),
        ("Evaluation", f"{metrics['scheme']}, {len(metrics['folds'])} models"),
        ("Sealed test", _sealed(documents, metrics)),
        ("Repeats", str(metrics["repeats"]) if metrics.get("repeats", 1) > 1 else ""),
    ]
    return [(term, str(value)) for term, value in rows if value]


def _sealed(documents: Documents, metrics: Mapping[str, Any]) -> str:
    """Of a sealed test: its analysis plan, and how often it was revealed."""
    if "sealed" not in metrics:
        return ""
    found = documents.get(f"{LEDGER}#sealed", {"reveals": "unknown", "planned": False})
    planned = "recorded before the reveal" if found["planned"] else "not known to be recorded before the reveal"
    number = f"number of reveals in this workspace: {found['reveals']}"
    return f"{number}; analysis plan {metrics['sealed']['sha256']}, {planned}"


def _flow(documents: Documents) -> list[dict[str, Any]]:
    """The boxes of the flow diagram: a count, and what was left out on the way to it."""
    flow = documents.get("split/splits.json#cohort_flow")
    if not flow:
        return []
    failed = [f"{count} failed" for count in [flow["failed"]] if count]
    without = flow["in_table"] - flow["with_features"] - flow["failed"]
    left = [f"{flow['blank']} without a label"] if flow["blank"] else []
    left += [f"{count} {reason}" for reason, count in flow["excluded"].items() if count]
    patients, folds = (documents.get(f"split/splits.json#{key}", "?") for key in ("patients", "folds"))
    extra = [f"{flow['not_in_table']} slides with features are not in the table"] if flow["not_in_table"] else []
    missing = [f"{without} without features"] if without > 0 else []
    return [
        {"text": f"{flow['in_table']} slides in the label table", "left": [*failed, *missing, *extra]},
        {"text": f"{flow['with_features']} slides with features", "left": left},
        {"text": f"{flow['used']} slides of {patients} patients used", "left": []},
        {
            "text": f"{folds} folds: training, inner validation, test",
            "left": [],
        },
    ]


def decided_levels(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The metrics of every level; decisions are those at the threshold, selected on other patients."""
    levels = levels_of(metrics)
    point = metrics["operating_point"] or {level: {} for level in levels}
    return [{**metrics["level"][level], **point[level]} for level in levels]


def _performance(metrics: Mapping[str, Any], terms: Terms) -> dict[str, Any]:
    decided, point = decided_levels(metrics), metrics["operating_point"]
    shown, appendix = split_appendix(decided[0], metrics.get("task", CLASSIFICATION), terms.labels)
    levels = levels_of(metrics)
    own = metrics.get("own_metrics") or {levels[0]: {}}
    return {
        "readings": [read_metric(name, decided, terms) for name in shown],
        "appendix": [read_metric(name, decided, terms) for name in appendix],
        "appendix_reasons": [reason_of(name, terms.labels) for name in appendix],
        "own": [read_metric(name, [own[level] for level in levels], terms) for name in own[levels[0]]],
        "rule": "" if point is None else point["rule"],
    }


def _points(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Operating points of two classes: threshold rule, sensitivity and specificity, stability."""
    if "operating_points" not in metrics:
        return []
    points = {"youden": metrics["operating_point"], **metrics["operating_points"]}
    rows = []
    for name, found in points.items():
        if found is None or "reason" in found:
            rows.append({"name": POINTS.get(name, name), "reason": (found or {"reason": "no threshold"})["reason"]})
            continue
        own = found[unit_of(metrics)]
        numbers = [estimate(own[metric]) for metric in ("sensitivity", "specificity", "ppv", "npv")]
        rows.append(
            {
                "name": POINTS.get(name, name),
                "rule": found["rule"],
                "numbers": numbers,
                "stability": found.get("stability"),
            }
        )
    return rows


def _calibration(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Calibration methods, judged on test slides."""
    names = ("brier", "ici", "calibration_intercept", "calibration_slope")
    return [
        {"name": name, "reason": found["reason"]}
        if "reason" in found
        else {"name": name, "numbers": [estimate(found[metric]) for metric in names]}
        for name, found in metrics.get("calibration_methods", {}).items()
    ]


def _external(documents: Documents, metrics: Mapping[str, Any], main: str) -> list[dict[str, Any]]:
    """External cohorts, with the difference of the internal to the external figure."""
    unit = unit_of(metrics)
    inside = metrics["level"][unit][main]["value"]
    rows = []
    for label in sorted(documents.files):
        if label.startswith("external.") and label.endswith("/metrics.json"):
            record = documents.files[label]["level"][unit][main]
            gap = "" if None in (inside, record["value"]) else f"{inside - record['value']:+.3f}"
            name = documents.files[label].get("external", label)
            rows.append({"name": name, "n": record.get("n", ""), "value": estimate(record), "gap": gap})
    return rows


def _counts(items: Sequence[Any]) -> dict[str, int]:
    """Numbers of items by status, for the sentence above the table."""
    filled = sum(item.status == FILLED for item in items)
    drafted = sum(item.status == NEEDS_YOU and bool(item.text) for item in items)
    needs = sum(item.status == NEEDS_YOU for item in items)
    return {"filled": filled, "drafted": drafted, "needs": needs, "all": len(items)}


def _steps(documents: Documents) -> list[dict[str, Any]]:
    """Version, fingerprint and digest of every step."""
    return [
        {"name": step, **{key: found.get(key, "") for key in ("version", "fingerprint", "digest")}}
        for step in documents.folders
        if (found := documents.files.get(f"{step}/manifest.json")) is not None
    ]
