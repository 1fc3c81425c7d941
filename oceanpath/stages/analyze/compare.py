"""Is one variant better than another: paired tests on the same slides, with patients as the unit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts import predictions
from oceanpath.artifacts.ids import describe_missing
from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.stats.delong import delong_test
from oceanpath.stats.discrimination import auroc
from oceanpath.stats.mcnemar import mcnemar_test
from oceanpath.stats.multiplicity import holm
from oceanpath.stats.paired import paired_auroc_difference
from oceanpath.stats.panel import decide
from oceanpath.stats.patients import patient_rows

FILE = "comparison.json"
TESTS = ("delong", "mcnemar", "bootstrap")
Block = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two variants' test rows, joined by slide and in the same order."""

    labels: NDArray[np.int64]
    a: NDArray[np.float64]
    """[n, C] probabilities of this variant."""
    b: NDArray[np.float64]
    patients: list[str]


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
    others = {name: path for name, path in variants.items() if path.resolve() != own.resolve()}
    if not others:
        return None
    this = next((name for name, path in variants.items() if path.resolve() == own.resolve()), "this")
    classes = [str(name) for name in predictions.read_cv_results(own)["classes"]]
    pairs = {name: join(own, path, classes, name) for name, path in others.items()}
    blocks = [compare_pair(settings, pair) | {"other": name} for name, pair in pairs.items()]
    for test in TESTS:
        for block, p in zip(blocks, holm([block[test]["p"] for block in blocks]), strict=True):
            block[test]["p_holm"] = p
    return {"this": this, "classes": classes, "selected": selected, "pairs": blocks}


def join(own: Path, other: Path, classes: list[str], name: str) -> Pair:
    """The test rows of two variants side by side.

    Raises: StageError: they differ in slides, patients, labels or classes, or a row is no test row.
    """
    theirs = [str(label) for label in predictions.read_cv_results(other)["classes"]]
    if sorted(theirs) != sorted(classes):
        raise StageError("variants have different classes", where=name, expected=classes, got=theirs)
    a, b = predictions.read_oof(own).set_index("slide_id"), predictions.read_oof(other).set_index("slide_id")
    for frame in (a, b):
        if set(frame["role"]) != {"test"} or frame.index.has_duplicates:
            raise StageError("only test rows are compared, each slide once", where=name)
    if odd := set(a.index) ^ set(b.index):
        known = set(a.index) & set(b.index)
        raise StageError("variants tested different slides", where=name, got=describe_missing(odd, known))
    b = b.loc[a.index]
    for column in ("label", "patient_id"):
        if (wrong := a[column] != b[column]).any():
            raise StageError(f"variants differ in {column}", where=name, got=f"slide {a.index[wrong][0]}")
    labels = predictions.label_numbers(a, classes)
    probs = [predictions.probabilities(frame, classes) for frame in (a, b)]
    return Pair(labels, probs[0], probs[1], [str(patient) for patient in a["patient_id"]])


def compare_pair(settings: AnalyzeSettings, pair: Pair) -> Block:
    """DeLong and McNemar on one row a patient, and the patient-clustered bootstrap on slides."""
    found = paired_auroc_difference(
        pair.labels,
        pair.a,
        pair.b,
        pair.patients,
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )
    return {
        "n": len(pair.labels),
        "n_patients": found.n_patients,
        "auroc_this": auroc(pair.labels, pair.a).value,
        "auroc_other": auroc(pair.labels, pair.b).value,
        "bootstrap": asdict(found) | {"unit": "slides, patients resampled"},
        **_patient_tests(settings, pair),
    }


def _patient_tests(settings: AnalyzeSettings, pair: Pair) -> Block:
    """Slides of one patient are not independent, so both tests see one row a patient."""
    try:
        a, b = (patient_rows(pair.patients, pair.labels, probs) for probs in (pair.a, pair.b))
    except ExperimentError as error:
        return {test: {"p": None, "reason": error.render()} for test in ("delong", "mcnemar")}
    right = [decide(rows.probs) == rows.labels for rows in (a, b)]
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
    (out / FILE).write_text(json.dumps(found, indent=2, sort_keys=True, allow_nan=False) + "\n")


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
    return [_line(word, found["this"], block) for block in found["pairs"]]


def _line(word: str, this: str, block: Block) -> str:
    boot = block["bootstrap"]
    if boot["p"] is None:
        return f"{word}{this} against {block['other']}: no test ({boot['reason']})"
    return (
        f"{word}{this} against {block['other']}: AUROC {boot['value']:+.3f} "
        f"({boot['low']:+.3f} to {boot['high']:+.3f}), p {boot['p_holm']:.2g} after Holm"
    )
