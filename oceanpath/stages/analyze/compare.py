"""Comparison of variants: paired tests on the same slides, with patients as the unit.

The p-values of all tests between all variants of the experiment are one family and are adjusted together, so the files
of two variants give their pair the same adjusted p-values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.json_files import write_json
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.stages.analyze.settings import AnalyzeSettings
from oceanpath.stages.analyze.variants import VariantRows, read_variants
from oceanpath.stats.multiplicity import holm
from oceanpath.stats.paired import paired_difference
from oceanpath.stats.patients import patient_rows
from oceanpath.stats.repeats import evaluate_by_repeat
from oceanpath.stats.resample import Bootstrap, Resamples, draw_patients
from oceanpath.tasks.evaluation import Floats

FILE = "comparison.json"
Block = dict[str, Any]


def compare_variants(
    settings: AnalyzeSettings, own: Path, variants: Mapping[str, Path], selected: bool
) -> dict[str, Any] | None:
    """The contents of comparison.json; None if no other variant has different predictions.

    Args:
        settings: Resamples, confidence and seed.
        own: Predictions of this variant.
        variants: Variant → its predictions, including this one.
        selected: Whether these rows were also used for selection.

    Raises:
        StageError: variants differ in slides, patients, labels or task, or a row is not a test row.
    """
    this = next((name for name, path in variants.items() if path.resolve() == own.resolve()), "this")
    models = {own.resolve(): this}
    for name, path in variants.items():  # variants with the same predictions share a folder
        models.setdefault(path.resolve(), name)
    if len(models) < 2:
        return None
    rows = read_variants({name: path for path, name in models.items()})
    pairs = compare_all(settings, rows)
    tests = [pair[test] for pair in pairs for test in (*rows.task.patient_tests, "bootstrap")]
    for test, p in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = p
    return {
        "this": this,
        **rows.task.record(),
        "selected": selected,
        "variants": {name: models[path.resolve()] for name, path in variants.items()},
        "family": sum(test["p"] is not None for test in tests),
        "pairs": [pair for pair in pairs if pair["this"] == this],
    }


def compare_all(settings: AnalyzeSettings, rows: VariantRows) -> list[Block]:
    """Every pair of variants: the task's tests on one row per patient, and the patient-clustered bootstrap."""
    task, main = rows.task, rows.task.main_metric
    strata = task.resampling_strata(rows.targets)
    drawn = draw_patients(rows.patients, strata, resamples=settings.resamples, seed=settings.seed)
    resampled = {name: _metrics(rows, values, drawn) for name, values in rows.values.items()}
    return [
        {
            "this": a,
            "other": b,
            "n": resampled[a].n,
            "n_patients": drawn.counts.shape[1],
            f"{main}_this": resampled[a].values[main],
            f"{main}_other": resampled[b].values[main],
            "bootstrap": _bootstrap(settings, main, resampled[a], resampled[b]),
            **_patient_tests(settings, rows, a, b),
        }
        for a, b in combinations(rows.values, 2)
    ]


def _metrics(rows: VariantRows, values: Floats, drawn: Resamples) -> Bootstrap:
    """The main metric of a variant; with several repeats, its mean."""

    def evaluate(own: NDArray[np.intp], resamples: Resamples) -> Bootstrap:
        return rows.task.compare(rows.targets[own], values[own], resamples)

    return evaluate_by_repeat(rows.repeats, drawn, len(set(rows.slides)), evaluate)


def _bootstrap(settings: AnalyzeSettings, main: str, a: Bootstrap, b: Bootstrap) -> Block:
    difference = paired_difference(a, b, (main, main), settings.confidence)
    return difference.record() | {"unit": "slides, patients resampled"}


def _patient_tests(settings: AnalyzeSettings, rows: VariantRows, this: str, other: str) -> Block:
    """Tests of the task on one row per patient, because slides of one patient are not independent.

    With several repeats, a patient has the mean prediction of all models that did not see it.
    """
    try:
        a, b = (patient_rows(rows.patients, rows.targets, rows.values[name]) for name in (this, other))
    except ExperimentError as error:
        return {test: {"p": None, "reason": error.render()} for test in rows.task.patient_tests}
    return rows.task.test_patients(a, b, settings.confidence)


def tests_of(block: Mapping[str, Any]) -> list[str]:
    """Names of the tests of a pair: the blocks that contain a p-value."""
    return [name for name, test in block.items() if isinstance(test, dict) and "p" in test]


def write_comparison(comparison: Mapping[str, Any], out: Path) -> None:
    """Write comparison.json below `out`: finite JSON, keys sorted."""
    write_json(out / FILE, comparison)


def read_comparison(path: Path) -> dict[str, Any]:
    """The contents of comparison.json below `path`.

    Raises: ArtifactError: the file cannot be read, or a p-value is missing without a reason or out of range.
    """
    try:
        comparison: dict[str, Any] = json.loads((path / FILE).read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{FILE} cannot be read", where=path, got=error) from error
    for block in comparison["pairs"]:
        for test in tests_of(block):
            p, raised = block[test]["p"], block[test]["p_holm"]
            if p is None and not block[test].get("reason"):
                raise ArtifactError("a p-value is missing without a reason", where=path, got=f"{block['other']} {test}")
            if p is not None and not 0 <= p <= raised <= 1:
                raise ArtifactError(
                    "a p-value is not between 0 and its adjusted value",
                    where=path,
                    got=f"{block['other']} {test}: {p}, {raised}",
                )
    return comparison


def describe(comparison: Mapping[str, Any], title: str) -> list[str]:
    """One line per pair, for the screen; `title` is the name of the main metric."""
    word = "".join(f"{name} " for name in ("selected", "seen_in_pretraining") if comparison.get(name))
    return [_line(word, comparison["family"], block, title) for block in comparison["pairs"]]


def _line(word: str, family: int, block: Block, title: str) -> str:
    this, boot = block["this"], block["bootstrap"]
    if boot["p"] is None:
        return f"{word}{this} against {block['other']}: no test ({boot['reason']})"
    return (
        f"{word}{this} against {block['other']}: {title} {boot['value']:+.3f} "
        f"({boot['low']:+.3f} to {boot['high']:+.3f}), p {boot['p_holm']:.2g} after Holm over {family} tests"
    )
