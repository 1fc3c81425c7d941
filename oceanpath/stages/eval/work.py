"""Evaluate: refuse what may not be reported, then measure, compare with the floors and draw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.artifacts import metrics
from oceanpath.artifacts.folds import read_splits
from oceanpath.figures.files import check_figure
from oceanpath.figures.fonts import notice
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.eval.baselines import predict_baselines
from oceanpath.stages.eval.plots import PICTURES, draw_all, draw_losses
from oceanpath.stages.eval.report import build_report
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings

SHOWN = ("auroc", "auroc_within_folds", "auprc", "balanced_accuracy", "f1", "mcc", "kappa", "brier", "ece")


def run(settings: EvalSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write metrics.json and the pictures below `out`.

    Raises: StageError: rows may not be reported, or do not match the folds. ArtifactError: an input is damaged.
    """
    rows = read_rows(inputs["train"], inputs["split"])
    floors = predict_baselines(rows, inputs, progress)
    report = build_report(settings, rows, floors)
    report["cohort_flow"] = read_splits(inputs["split"]).get("cohort_flow")
    metrics.write_metrics(report, out)
    draw_all(settings, rows, floors, report, out)
    draw_losses(rows.results, inputs["train"], out / "learning.png")
    if said := notice("eval"):
        progress.note(said)
    return summarise(report)


def check(path: Path) -> None:
    """Read metrics.json and see that every figure is there.

    Raises: ArtifactError: metrics.json breaks a promise, or a file of a figure is missing or empty.
    """
    metrics.check(path)
    for name in PICTURES:
        check_figure(path / name)


def summarise(report: Mapping[str, Any]) -> Summary:
    """Lines for the screen, and flat numbers for the ledger; both carry the word `selected` where the report does."""
    word = "selected " if report["selected"] else ""
    slide, patient = report["level"]["slide"], report["level"]["patient"]
    lines = [f"{word}{level} AUROC {say(group['auroc'])}" for level, group in report["level"].items()]
    lines += [f"{word}floor {name} AUROC {say(records['auroc'])}" for name, records in report["floor"].items()]
    lines += [note if note.startswith("selected") else word + note for note in report["notes"]]
    flat: dict[str, Any] = {name: slide[name]["value"] for name in SHOWN}
    flat |= {f"auroc_{end}": slide["auroc"].get(end) for end in ("low", "high")}
    flat |= {f"patient_auroc{end}": patient["auroc"].get(key) for end, key in _ENDS.items()}
    flat |= {f"floor_{name}": records["auroc"]["value"] for name, records in report["floor"].items()}
    for name, difference in report["versus_baseline"].items():
        flat |= {f"versus_{name}{end}": difference.get(key) for end, key in _ENDS.items()}
        flat |= {f"versus_{name}_{key}": difference[key] for key in ("p", "verdict")}
    prefix = "selected_" if report["selected"] else ""
    return Summary(tuple(lines), {prefix + name: value for name, value in flat.items()})


_ENDS = {"": "value", "_low": "low", "_high": "high"}


def say(record: Mapping[str, Any]) -> str:
    """A record in words: ``0.912 (0.880 to 0.941)``, or why there is no number or no interval."""
    if record["value"] is None:
        return f"undefined ({record['reason']})"
    if record["low"] is None:
        return f"{record['value']:.3f} (no interval: {record['reason']})"
    return f"{record['value']:.3f} ({record['low']:.3f} to {record['high']:.3f})"
