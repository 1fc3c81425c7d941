"""Is one variant better than another: paired tests on the same slides, with patients as the unit.

The p-values of all tests between all variants of the experiment are one family and are adjusted together, so the files
of two variants give their pair the same adjusted p-values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.stages.analyze.variants import VariantRows, read_variants
from oceanpath.stats.delong import delong_test
from oceanpath.stats.discrimination import ranking_measure
from oceanpath.stats.mcnemar import mcnemar_test
from oceanpath.stats.multiplicity import holm
from oceanpath.stats.paired import paired_difference
from oceanpath.stats.panel import decide
from oceanpath.stats.patients import patient_rows
from oceanpath.stats.resample import Bootstrap, bootstrap, draw_patients

FILE = "comparison.json"
TESTS = ("delong", "mcnemar", "bootstrap")
Block = dict[str, Any]


def compare_variants(
    settings: AnalyzeSettings, own: Path, variants: Mapping[str, Path], selected: bool
) -> dict[str, Any] | None:
    """The contents of comparison.json; None where no other variant has predictions of its own.

    Args:
        settings: Resamples, confidence and seed.
        own: Predictions of this variant.
        variants: Variant → its predictions, this one's among them.
        selected: Whether the rows also chose something.

    Raises:
        StageError: variants differ in slides, patients, labels or classes, or a row is no test row.
    """
    this = next((name for name, path in variants.items() if path.resolve() == own.resolve()), "this")
    models = {own.resolve(): this}
    for name, path in variants.items():  # variants that changed nothing about the predictions share a folder
        models.setdefault(path.resolve(), name)
    if len(models) < 2:
        return None
    rows = read_variants({name: path for path, name in models.items()})
    pairs = compare_all(settings, rows)
    tests = [pair[test] for pair in pairs for test in TESTS]
    for test, p in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = p
    return {
        "this": this,
        "classes": rows.classes,
        "selected": selected,
        "variants": {name: models[path.resolve()] for name, path in variants.items()},
        "family": sum(test["p"] is not None for test in tests),
        "pairs": [pair for pair in pairs if pair["this"] == this],
    }


def compare_all(settings: AnalyzeSettings, rows: VariantRows) -> list[Block]:
    """Every pair of variants: DeLong and McNemar on one row per patient, and the patient-clustered bootstrap."""
    drawn = draw_patients(rows.patients, rows.labels, resamples=settings.resamples, seed=settings.seed)
    resampled = {name: bootstrap([ranking_measure(rows.labels, p)], drawn) for name, p in rows.probs.items()}
    return [
        {
            "this": a,
            "other": b,
            "n": len(rows.labels),
            "n_patients": drawn.counts.shape[1],
            "auroc_this": resampled[a].values["auroc"],
            "auroc_other": resampled[b].values["auroc"],
            "bootstrap": _bootstrap(settings, resampled[a], resampled[b]),
            **_patient_tests(settings, rows, a, b),
        }
        for a, b in combinations(rows.probs, 2)
    ]


def _bootstrap(settings: AnalyzeSettings, a: Bootstrap, b: Bootstrap) -> Block:
    return paired_difference(a, b, confidence=settings.confidence).record() | {"unit": "slides, patients resampled"}


def _patient_tests(settings: AnalyzeSettings, rows: VariantRows, this: str, other: str) -> Block:
    """Slides of one patient are not independent, so both tests see one row per patient."""
    try:
        a, b = (patient_rows(rows.patients, rows.labels, rows.probs[name]) for name in (this, other))
    except ExperimentError as error:
        return {test: {"p": None, "reason": error.render()} for test in ("delong", "mcnemar")}
    right = [decide(found.probs) == found.labels for found in (a, b)]
    mcnemar = asdict(mcnemar_test(right[0], right[1])) | {"unit": "patients"}
    return {"delong": _delong(settings, a.labels, a.probs, b.probs), "mcnemar": mcnemar}


def _delong(
    settings: AnalyzeSettings, labels: NDArray[np.int64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> Block:
    if a.shape[1] != 2:
        return {"p": None, "reason": "DeLong's test compares two classes"}
    if np.bincount(labels, minlength=2).min() < 2:
        return {"p": None, "reason": "fewer than two patients of a class"}
    found = delong_test(labels == 1, a[:, 1], b[:, 1])
    low, high = found.interval(settings.confidence)
    return asdict(found) | {"difference": found.difference, "low": low, "high": high, "unit": "patients"}


def write_comparison(found: Mapping[str, Any], out: Path) -> None:
    """Write comparison.json below `out`: finite JSON, keys sorted."""
    write_json(out / FILE, found)


def read_comparison(path: Path) -> dict[str, Any]:
    """The contents of comparison.json below `path`.

    Raises: ArtifactError: unreadable, or a p-value is missing without a reason or outside (0, 1].
    """
    try:
        found: dict[str, Any] = json.loads((path / FILE).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"no readable {FILE}", where=path, got=error) from error
    for block in found["pairs"]:
        for test in TESTS:
            p, raised = block[test]["p"], block[test]["p_holm"]
            if p is None and not block[test].get("reason"):
                raise ArtifactError("a p-value is missing without a reason", where=path, got=f"{block['other']} {test}")
            if p is not None and not 0 <= p <= raised <= 1:
                raise ArtifactError("a p-value is not one", where=path, got=f"{block['other']} {test}: {p}, {raised}")
    return found


def describe(found: Mapping[str, Any]) -> list[str]:
    """One line a pair, for the screen."""
    word = "selected " if found["selected"] else ""
    return [_line(word, found["family"], block) for block in found["pairs"]]


def _line(word: str, family: int, block: Block) -> str:
    this, boot = block["this"], block["bootstrap"]
    if boot["p"] is None:
        return f"{word}{this} against {block['other']}: no test ({boot['reason']})"
    return (
        f"{word}{this} against {block['other']}: AUROC {boot['value']:+.3f} "
        f"({boot['low']:+.3f} to {boot['high']:+.3f}), p {boot['p_holm']:.2g} after Holm over {family} tests"
    )
