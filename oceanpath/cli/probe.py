"""`oceanpath probe`: how well labels are predicted from slide embeddings, compared with baselines."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oceanpath.cli.embed import StoreFolder
from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.outputs import prepare_file
from oceanpath.cli.table import table
from oceanpath.errors import ExitCode, ExperimentError, refuse

if TYPE_CHECKING:
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.probing.arms import Arm
    from oceanpath.probing.comparison import Estimate
    from oceanpath.probing.protocol import Budget, ProbeCohort

RANDOM_SEEDS = 3
BASELINE = "mean"

Weights = Annotated[
    Path,
    typer.Argument(help="aggregator.safetensors, best.ckpt of a trained fold, or a folder that `pretrain` wrote."),
]


def probe(
    weights: Weights,
    store: StoreFolder,
    labels: Annotated[Path, typer.Argument(help="Table with slide ids, patients and labels.")],
    label: Annotated[str, typer.Option("--label", help="Column with the label.")] = "label",
    patient_id: Annotated[str, typer.Option("--patient-id", help="Column with the patient.")] = "patient_id",
    slide_id: Annotated[str, typer.Option("--slide-id", help="Column with the slide id.")] = "slide_id",
    fractions: Annotated[
        str, typer.Option("--fractions", help='Percent of labelled training patients; "" for none.')
    ] = "1,5,10,25,100",
    shots: Annotated[str, typer.Option("--shots", help="Labelled training patients per class, such as 1,2,4,8.")] = "",
    same: Annotated[
        list[Path] | None, typer.Option("--same", help="Weights of the same pretraining with another seed; repeatable.")
    ] = None,
    train: Annotated[
        bool, typer.Option("--train", help="Train ABMIL from random and from these weights as well; slow.")
    ] = False,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Number of patient-grouped folds.")] = 5,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Draws of labelled patients per fold.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of folds and draws.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file to write as well.")] = None,
    as_json: JsonFlag = False,
) -> int:
    """Compare probes of slide embeddings with pooled patch features, random weights and trained models."""
    if out is not None:
        prepare_file(out)
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.probing.comparison import METRIC, Comparison
    from oceanpath.probing.protocol import Protocol

    slides, budgets = Store(store), _budgets(fractions, shots)
    files, columns = [weights, *(same or [])], {"slide": slide_id, "patient": patient_id, "label": label}
    data = _read_cohort(slides, labels, columns, files)
    protocol, arms = Protocol(folds, draws, seed=seed), _arms(files, data)
    results: list[dict[str, Any]] = []
    for budget in budgets:
        predictions = {name: arm.predict(data.cohort, protocol, budget) for name, arm in arms.items()}
        if train:
            predictions |= _trained(files, data, protocol, budget)
        compared = Comparison(predictions, data.cohort, protocol)
        for name in predictions:
            row = {"labelled": str(budget), "arm": name, METRIC.lower(): vars(compared.value(name))}
            results.append({**row, "versus_mean": vars(compared.difference(name, BASELINE))})
        print(f"{budget} of the training patients: done", file=sys.stderr, flush=True)
    note = "Intervals: 95 %, over resampled patients, draws of labelled patients and seeds. Differences are paired."
    facts = {"seed": seed, "folds": folds, "draws": draws, "rows": results}
    print_result(f"{_table(results, METRIC)}\n{note}", facts, as_json=as_json)
    if out is not None:
        out.write_text(json.dumps(facts, indent=2) + "\n")
    return int(ExitCode.OK)


@dataclass(frozen=True)
class ProbeData:
    """The labelled slides of a store."""

    store: Store
    numbers: list[int]
    cohort: ProbeCohort


def _budgets(fractions: str, shots: str) -> list[Budget]:
    """Raises: ExperimentError: a number is out of range, or there is none."""
    from oceanpath.probing.protocol import Budget

    try:
        shares = [float(text) / 100 for text in fractions.split(",") if text.strip()]
        counts = [int(text) for text in shots.split(",") if text.strip()]
    except ValueError as error:
        raise ExperimentError("not a list of numbers", where="--fractions or --shots", got=error) from error
    if not all(0 < share <= 1 for share in shares) or not all(count > 0 for count in counts) or not shares + counts:
        expected = "percentages above 0 and up to 100, or numbers from 1"
        raise ExperimentError("no budget of labels", where="--fractions or --shots", expected=expected)
    return [*(Budget(share) for share in shares), *(Budget(patients=count) for count in counts)]


def _arms(files: list[Path], data: ProbeData) -> dict[str, Arm]:
    """The aggregator, the same with the mean, pooled features, and random weights."""
    from oceanpath.probing.arms import Arm, embed_weights, weight_files
    from oceanpath.probing.embeddings import embed_store, pooled, random_aggregator

    rows, store = data.numbers, data.store
    means = {name: z[rows] for name, z in pooled(store).items()}
    own = Arm([embed_weights(path, store)[..., rows, :] for path in files])
    arms = {"aggregator": own, "mean and aggregator": own.joined(means["mean"])}
    arms["aggregator, k-NN"] = Arm(own.embeddings, "knn")
    arms |= {name: Arm([z]) for name, z in means.items()}
    arms |= {"mean, k-NN": Arm([means["mean"]], "knn"), "mean, MLP": Arm([means["mean"]], "mlp")}
    if (file := weight_files(files[0])[0]).suffix == ".safetensors":
        seeds = [embed_store(random_aggregator(file, seed), store)[rows] for seed in range(RANDOM_SEEDS)]
        arms["random weights"] = Arm(seeds)
    return arms


def _trained(files: list[Path], data: ProbeData, protocol: Any, budget: Budget) -> dict[str, Any]:
    """Predictions of models that are trained from random weights, and from the given ones."""
    from oceanpath.probing.arms import weight_files
    from oceanpath.probing.trained import Labelled, TrainedProbe, predict_trained

    slides, settings = Labelled(data.store, data.numbers, data.cohort), TrainedProbe()
    trained = {"trained from scratch": [predict_trained(slides, protocol, budget, settings)]}
    every = [weight_files(path) for path in files]
    if all(file.suffix == ".safetensors" for each in every for file in each):
        starts = [[predict_trained(slides, protocol, budget, settings, each)] for each in every]
        trained["fine-tuned"] = [predictions for start in starts for predictions in start]
    return trained


def _read_cohort(store: Store, labels: Path, columns: dict[str, str], files: list[Path]) -> ProbeData:
    """The labelled slides; their folds are those of the pretraining if it was made once per fold."""
    from oceanpath.artifacts.cohort.id_match import match, other_cohort
    from oceanpath.artifacts.cohort.table import TableQuery, read_cohort
    from oceanpath.probing.arms import folds_of, patients_seen
    from oceanpath.probing.protocol import ProbeCohort

    query = TableQuery(slide_id=columns["slide"], patient_id=columns["patient"], label=columns["label"])
    read = read_cohort(labels, query)
    refuse(read.problems)
    same, number_of = match(read.slide_ids, store.slide_ids), {name: k for k, name in enumerate(store.slide_ids)}
    if not same:
        raise other_cohort(read.slide_ids, store.slide_ids, labels)
    cells = zip(read.slide_ids, read.labels, read.patients, strict=True)
    rows = [
        (number_of[same[slide]], text, patient) for slide, text, patient in cells if slide in same and text and patient
    ]
    patients = [row[2] for row in rows]
    if seen := patients_seen(files[0], patients):
        print(f"{seen} of {len(set(patients))} patients were used for pretraining", file=sys.stderr)
    cohort = ProbeCohort.of([row[1] for row in rows], patients, labels)
    folds = folds_of(files[0], [store.slide_id(row[0]) for row in rows])
    return ProbeData(store, [row[0] for row in rows], ProbeCohort(cohort.labels, cohort.patients, folds))


def _table(results: list[dict[str, Any]], metric: str) -> str:
    rows = [
        (each["labelled"], each["arm"], _shown(each[metric.lower()]), _shown(each["versus_mean"], "+"))
        for each in results
    ]
    return table(("labelled", "arm", metric, "versus mean"), rows)


def _shown(estimate: dict[str, float] | Estimate, sign: str = "") -> str:
    values = estimate if isinstance(estimate, dict) else vars(estimate)
    return f"{values['value']:{sign}.3f} ({values['low']:{sign}.3f} to {values['high']:{sign}.3f})"
