"""`oceanpath probe`: how well labels are predicted from slide embeddings, compared with baselines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oceanpath.cli.embed import StoreFolder, Weights
from oceanpath.cli.outputs import prepare_file
from oceanpath.cli.table import table
from oceanpath.errors import ExitCode, refuse

if TYPE_CHECKING:
    from oceanpath.probing.probe import ProbeCohort

RANDOM_SEEDS = 3
BASELINE = "mean"


def probe(
    weights: Weights,
    store: StoreFolder,
    labels: Annotated[Path, typer.Argument(help="Table with slide ids, patients and labels.")],
    label: Annotated[str, typer.Option("--label", help="Column with the label.")] = "label",
    patient_id: Annotated[str, typer.Option("--patient-id", help="Column with the patient.")] = "patient_id",
    slide_id: Annotated[str, typer.Option("--slide-id", help="Column with the slide id.")] = "slide_id",
    fractions: Annotated[
        str, typer.Option("--fractions", help="Percent of labelled training patients.")
    ] = "1,5,10,25,100",
    folds: Annotated[int, typer.Option("--folds", min=2, help="Number of patient-grouped folds.")] = 5,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Draws of labelled patients per fold.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of folds and draws.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file to write as well.")] = None,
) -> int:
    """Compare a linear and a k-NN probe of slide embeddings with pooled patch features and random weights."""
    if out is not None:
        prepare_file(out)
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.probing.probe import METRIC, Protocol, estimate, predict_probe

    slides = Store(store)
    numbers, cohort = _read_cohort(slides.slide_ids, labels, {"slide": slide_id, "patient": patient_id, "label": label})
    shares = tuple(float(text) / 100 for text in fractions.split(","))
    protocol = Protocol(shares, folds, draws, seed=seed)
    arms = {name: rows[numbers] for name, rows in _embeddings(weights, slides).items()}
    results: list[dict[str, Any]] = []
    for kind in ("linear", "knn"):
        for share in shares:
            predictions = {name: predict_probe(z, cohort, protocol, share, kind) for name, z in arms.items()}
            for name, (value, difference) in estimate(predictions, cohort, protocol, BASELINE).items():
                row = {"probe": kind, "labelled": share, "embedding": name}
                results.append({**row, METRIC.lower(): vars(value), "versus_mean": vars(difference)})
            print(f"{kind} probe, {100 * share:g} % of the training patients: done", file=sys.stderr, flush=True)
    print(_table(results, METRIC))
    print("Intervals: 95 %, over resampled patients and draws of labelled patients. Differences are paired.")
    if out is not None:
        out.write_text(json.dumps({"seed": seed, "folds": folds, "draws": draws, "rows": results}, indent=2) + "\n")
    return int(ExitCode.OK)


def _embeddings(weights: Path, slides: Any) -> dict[str, Any]:
    """Name → embeddings [S, …]: of the aggregator, the same with the mean, pooled features, and random weights."""
    import numpy as np

    from oceanpath.probing.embeddings import embed_store, load_aggregator, pooled, random_aggregator

    own, baselines = embed_store(load_aggregator(weights), slides), pooled(slides)
    arms = {"aggregator": own, "mean and aggregator": np.concatenate([baselines["mean"], own], axis=1), **baselines}
    if weights.suffix == ".safetensors":
        for seed in range(RANDOM_SEEDS):
            arms[f"random weights {seed}"] = embed_store(random_aggregator(weights, seed), slides)
    return arms


def _read_cohort(slide_ids: list[str], labels: Path, columns: dict[str, str]) -> tuple[list[int], ProbeCohort]:
    """Numbers of the labelled slides in the store, and their labels and patients."""
    from oceanpath.artifacts.cohort.id_match import match, other_cohort
    from oceanpath.artifacts.cohort.table import TableQuery, read_cohort
    from oceanpath.probing.probe import ProbeCohort

    query = TableQuery(slide_id=columns["slide"], patient_id=columns["patient"], label=columns["label"])
    read = read_cohort(labels, query)
    refuse(read.problems)
    same, number_of = match(read.slide_ids, slide_ids), {name: k for k, name in enumerate(slide_ids)}
    if not same:
        raise other_cohort(read.slide_ids, slide_ids, labels)
    cells = zip(read.slide_ids, read.labels, read.patients, strict=True)
    rows = [
        (number_of[same[slide]], text, patient) for slide, text, patient in cells if slide in same and text and patient
    ]
    return [row[0] for row in rows], ProbeCohort.of([row[1] for row in rows], [row[2] for row in rows], labels)


def _table(results: list[dict[str, Any]], metric: str) -> str:
    rows = [
        (
            each["probe"],
            f"{100 * each['labelled']:g} %",
            each["embedding"],
            _shown(each[metric.lower()]),
            _shown(each["versus_mean"], "+"),
        )
        for each in results
    ]
    return table(("probe", "labelled", "embedding", metric, "versus mean"), rows)


def _shown(estimate: dict[str, float], sign: str = "") -> str:
    return f"{estimate['value']:{sign}.3f} ({estimate['low']:{sign}.3f} to {estimate['high']:{sign}.3f})"
