"""The site-preserved figure is next to the patient-grouped one in the table at the end of a run."""

from __future__ import annotations

from pathlib import Path

from oceanpath.artifacts.metrics import LEVELS, write_metrics
from oceanpath.cli.results import results
from oceanpath.tasks.classification import Classification

RECORD = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 20, "n_patients": 10}


def write(folder: Path, site: dict[str, object] | None) -> Path:
    group = dict.fromkeys(Classification.metrics, RECORD)
    verdict = RECORD | {"p": 0.01, "verdict": "better"}
    found = {
        "classes": ["neg", "pos"],
        "scheme": "kfold",
        "selected": False,
        "operating_point": None,
        "folds": [],
        "notes": [],
        "level": dict.fromkeys(LEVELS, group),
        "floor": dict.fromkeys(Classification.baselines, group),
        "versus_baseline": dict.fromkeys(Classification.baselines, verdict),
        "site": site,
    }
    write_metrics(found, folder)
    return folder


def test_both_figures_of_the_baseline_are_in_the_table(tmp_path: Path) -> None:
    preserved, difference = RECORD | {"value": 0.75}, RECORD | {"value": -0.05, "low": -0.1, "high": -0.01}
    site = {"baseline": "mean_pool_lr", "folds": 5, "sites": 9, "patient_grouped": RECORD, "probe": {"accuracy": None}}
    text = results(write(tmp_path, site | {"site_preserved": preserved, "difference": difference}), "Results", 0.95)
    grouped, kept = (line for line in text.splitlines() if line.strip().endswith(")") and " folds " in line)
    assert grouped.split() == ["mean_pool_lr,", "patient-grouped", "folds", "0.800", "(0.700", "to", "0.900)"]
    assert kept.split() == ["mean_pool_lr,", "site-preserved", "folds", "0.750", "(0.700", "to", "0.900)"]


def test_without_a_comparison_there_are_no_such_rows(tmp_path: Path) -> None:
    for site in (None, {"baseline": "mean_pool_lr", "folds": 0, "reason": "one site"}):
        assert "folds" not in results(write(tmp_path, site), "Results", 0.95).partition("In parentheses")[0]
