"""Small documents of experiments: what published files contain, without computing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oceanpath.reporting.documents import Documents
from oceanpath.tasks.registry import task_entry
from oceanpath.tasks.survival_evaluation import SurvivalEvaluation

SURVIVAL = SurvivalEvaluation.metrics
BINARY = ("auroc", "f1", "auprc", "brier", "ici", "calibration_slope", "calibration_intercept")
DECIDED = ("sensitivity", "specificity", "ppv", "npv")


def record(value: float | None = 0.8, **more: Any) -> dict[str, Any]:
    known = {"value": value, "low": 0.7, "high": 0.9, "n": 36, "n_patients": 27, "method": "DeLong"}
    return {**known, **more} if value is not None else {"value": None, "reason": "one class only"}


def levels(names: Sequence[str]) -> dict[str, Any]:
    return {level: {name: record() for name in names} for level in ("slide", "patient")}


def metrics(main: str, names: Sequence[str], **more: Any) -> dict[str, Any]:
    return {
        "scheme": "kfold",
        "selected": False,
        "repeats": 1,
        "ensemble": None,
        "level": levels(names),
        "operating_point": None,
        "floor": {"mean_pool": {main: record(0.75)}},
        "versus_baseline": {"mean_pool": {**record(0.05), "low": -0.1, "high": 0.2, "verdict": "not_shown_better"}},
        "folds": [{"fold": 0}, {"fold": 1}],
        "notes": ["not_shown_better_than_baseline: mean_pool: the interval includes 0"],
        "site": None,
        **more,
    }


def binary_metrics(classes: Sequence[str] = ("normal", "tumour")) -> dict[str, Any]:
    stability = {"grade": "B", "reason": "", "shifts": {}}
    point = {"rule": "positive at or above the threshold", "thresholds": [0.5, 0.4], **levels(DECIDED)}
    gap = {**record(-0.1), "low": -0.2, "high": 0.1, "p": 0.2, "p_holm": 0.4}
    return metrics(
        "auroc",
        BINARY,
        classes=list(classes),
        confusion=[[17, 3], [4, 12]],
        operating_point={**point, "stability": stability},
        operating_points={"sensitivity_95": point, "specificity_95": {"reason": "one class only"}},
        calibration_methods={
            "none": {name: record() for name in ("brier", "ici", "calibration_intercept", "calibration_slope")},
            "platt": {"reason": "the probabilities separate the outcomes"},
        },
        site={"sites": 4, "folds": 2, **{key: record() for key in ("patient_grouped", "site_preserved", "difference")}},
        subgroups={
            "smallest": 20,
            "family": 1,
            "columns": {"sex": {"groups": {"f": {**record(), "difference": gap}}, "worst": "f", "too_small": {"m": 3}}},
        },
    )


def manifest(**settings: Any) -> dict[str, Any]:
    environment = {"oceanpath": "0.1.0", "python": "3.11", "torch": "2.13"}
    identity = {"settings": settings, "outside": {"labels": "ab12"}}
    summary = {"metrics": {"patches": 900, "slides": 36, "left_out": 0}}
    facts = {"identity": identity, "summary": summary, "environment": environment}
    return {**facts, "version": 6, "fingerprint": "f" * 32, "digest": "d" * 32}


def documents(report: Mapping[str, Any] | None = None, **folders: Path) -> Documents:
    """An experiment with two classes, or with the given metrics.json."""
    flow = {"in_table": 40, "with_features": 38, "used": 36, "failed": 1, "failed_slides": {"s1": "damaged"}}
    flow |= {"blank": 2, "excluded": {"stage IV": 0}, "not_in_table": 3}
    balance = {"train": {"normal": {"patients": 9, "slides": 13}}, "test": {"normal": {"patients": 3, "slides": 5}}}
    training = {"epochs": 5, "lr": 1e-4, "weight_decay": 0.01, "monitor": "val_loss", "balance": "none", "loss": "ce"}
    more = {"batch_size": 4, "patience": 8, "experiment_seed": 42, "model": {"name": "abmil"}}
    rows = [
        {"fold": str(fold), "role": role, "column": "label", "value": value, "patients": "9", "slides": "13"}
        for fold in (0, 1)
        for role in ("train", "val", "test")
        for value in ("normal", "tumour")
    ]
    columns = {"slide_id": "slide_id", "patient_id": "case_id", "label": "response", "val_fraction": 0.2}
    files: dict[str, Any] = {
        "eval/metrics.json": binary_metrics() if report is None else report,
        "eval/manifest.json": manifest(confidence=0.95, resamples=2000),
        "split/splits.json": {
            "slides": 36,
            "patients": 27,
            "scheme": "kfold",
            "folds": 2,
            "seed": 42,
            "cohort_flow": flow,
            "balance": [balance, balance],
        },
        "split/manifest.json": manifest(**columns),
        "split/balance.csv": {"rows": rows, "columns": ["label", "sex"]},
        "train/cv_results.json": {"folds": 2, "model": {"name": "abmil", "input_norm": "layer"}},
        "train/manifest.json": manifest(**training, **more),
        "mmap/manifest.json": manifest(dtype="float16"),
        "audit/audit.json": {"checks": [{"check": "shared_slides", "verdict": "found", "text": "2 slides"}]},
        "ledger": {"id": 7, "command": "run mine.toml", "environment": {"git": {"commit": "c0ffee", "dirty": True}}},
    }
    steps = {name: Path("missing") for name in ("mmap", "split", "audit", "train", "eval")}
    return Documents("mine", files, steps | folders)


def survival_documents() -> Documents:
    point = {"rule": "high risk above the median", "thresholds": [0.1, 0.2], **levels(("log_rank_p",))}
    more = {"task": "survival", "horizons": [3.0, 6.0], "time_unit": "months", "operating_point": point}
    return documents(metrics(task_entry("survival").main[0], SURVIVAL, **more))


def three_class_documents() -> Documents:
    return documents(metrics("auroc", BINARY, classes=["a", "b", "c"], confusion=[[1, 0, 0], [0, 2, 1], [0, 0, 3]]))


def label_documents() -> Documents:
    names = [f"{metric}_{label}" for metric in ("auroc", "auprc", "brier") for label in ("egfr", "kras")]
    report = metrics("auroc", ["auroc", "auprc", "brier", *names], task="multilabel", targets=["egfr", "kras"])
    rates = [f"{metric}_{label}" for label in ("egfr", "kras") for metric in ("sensitivity", "specificity")]
    thresholds = [{"prob_egfr": 0.4, "prob_kras": None}]
    report["operating_point"] = {"rule": "each label at its threshold", "thresholds": thresholds, **levels(rates)}
    report["floor"] = {"frequency": {"auroc": record(0.5)}}
    report["versus_baseline"] = {"frequency": {**record(0.3), "verdict": "worse"}}
    report["notes"] = ["worse_than_floor: frequency: AUROC 0.4 against 0.5"]
    return documents(report)
