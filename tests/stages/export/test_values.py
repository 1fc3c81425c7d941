"""Bundles of survival, regression and several labels: exported, predicted and served values are the evaluated ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from litestar.testing import TestClient

from oceanpath.api.prediction import load_bundle
from oceanpath.api.values import ValueModel
from oceanpath.artifacts import metrics, predictions
from oceanpath.artifacts.bundle.folder import read_bundle
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError
from oceanpath.evaluation.report import build_report
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.fit.checkpoint import Checkpoint
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.registry import objective_class
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.fit.predict import predict
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.pipeline.stage import Inputs, Quiet, resolve
from oceanpath.serving.app import create_app
from oceanpath.serving.engine import Engine
from oceanpath.serving.engines import open_bundle
from oceanpath.serving.models import Models
from oceanpath.serving.offline import predict_slides
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.slide_inputs import find_inputs
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.stage import STAGE
from oceanpath.stages.train.fold_files import write_fold
from oceanpath.stages.train.rows import Rows
from oceanpath.tasks.base import Task
from oceanpath.tasks.registry import make_task

from ...conftest import write_store

DIM, SLIDES, FOLDS = 6, 24, 2
SURVIVAL = {"time": "months", "event": "status", "event_value": "1", "time_unit": "months", "horizons": (12.0, 20.0)}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "cox": ("survival", SURVIVAL, {"loss": "cox"}),
    "nll": ("survival", SURVIVAL, {"loss": "nll", "time_bins": 3}),
    "regression": ("regression", {}, {}),
    "multilabel": ("multilabel", {"targets": ("egfr", "kras")}, {}),
}


@dataclass(frozen=True)
class Options:
    """As the table [eval]."""

    resamples: int = 20
    confidence: float = 0.95
    seed: int = 1


@dataclass(frozen=True)
class Exported:
    """A bundle, the raw features, and the evaluated predictions."""

    task: Task
    bundle: Path
    features: Path
    evaluated: pd.DataFrame


def labels_of(name: str, rng: np.random.Generator) -> list[str]:
    """Times with and without an event, several labels, or large numbers, which single precision rounds."""
    if name == "regression":
        return [f"{number:.2f}" for number in 4e5 + 3e3 * rng.standard_normal(SLIDES)]
    if name == "multilabel":
        return ["?;1" if number % 7 == 0 else f"{number % 2};{number // 2 % 2}" for number in range(SLIDES)]
    times = rng.uniform(1, 30, SLIDES)
    return [f"{time:.2f}" + ("+" if number % 3 == 0 else "") for number, time in enumerate(times)]


def trained(task: Task, keys: dict[str, Any], targets: np.ndarray, number: int) -> Checkpoint:
    """An untrained model with the objective of a fold."""
    torch.manual_seed(number)
    settings = ObjectiveSettings.model_validate({"task": task.name, **keys})
    objective: Objective = objective_class(task).for_training(task, settings, targets)
    model = WSIClassifier(parse_model({"name": "abmil", "hidden": 4, "attention": 4}), DIM, objective.outputs).eval()
    return Checkpoint(model, objective)


def write_train(folder: Path, store: Store, cohort: pd.DataFrame, task: Task, keys: dict[str, Any]) -> None:
    """The published folder of `train`."""
    numbers, per_fold = np.arange(SLIDES), []
    for fold in range(FOLDS):
        path = folder / f"fold_{fold}"
        path.mkdir(parents=True)
        role = np.where(numbers % FOLDS == fold, "test", np.where(numbers % 5 == 1, "val", "train"))
        rows = {}
        for name in ("train", "val", "test"):
            table = cohort[role == name].assign(role=name).reset_index(drop=True)
            own = [store.number(slide) for slide in table["slide_id"]]
            rows[name] = Rows(table, own, task.targets(table["label"].tolist()))
        model, objective = trained(task, keys, rows["train"].targets, fold)
        outputs = {name: predict(model, store, part.numbers, "cpu") for name, part in rows.items()}
        objective = objective.completed(outputs["train"].outputs, rows["train"].targets)
        facts = {"fold": fold, "best_epoch": 0, "epochs": 1, "val_loss": 0.5}
        per_fold.append(write_fold(path, facts, Checkpoint(model, objective), rows, outputs))
    tested = [predictions.read_predictions(folder / f"fold_{fold}" / "preds_test.parquet", task) for fold in (0, 1)]
    predictions.write_predictions(pd.concat(tested), folder / "oof_predictions.parquet", task)
    results = {**task.record(), "folds": FOLDS, "model": {"name": "abmil"}, "per_fold": per_fold}
    predictions.write_cv_results({**results, "scheme": "kfold", "selected": False}, folder)


def write_eval(folder: Path, train: Path, task: Task) -> None:
    """The published metrics."""
    folder.mkdir()
    results, frame = predictions.read_cv_results(train), predictions.read_oof(train, task)
    rows = ReportedRows(frame, task, task.targets(frame["label"].tolist()), task.values(frame), results, frame)
    constant = np.repeat(task.values(frame).mean(axis=0, keepdims=True), len(frame), axis=0)
    report = build_report(Options(), rows, dict.fromkeys(task.baselines, constant))
    metrics.write_metrics(report, folder)


@pytest.fixture(scope="module", params=CASES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    name, settings, keys = CASES[request.param]
    root, rng = tmp_path_factory.mktemp("values"), np.random.default_rng(2)
    slides, labels = [f"s{number:02d}" for number in range(SLIDES)], labels_of(name, rng)
    task = make_task(name, settings)
    task = task.for_cohort([label for label in labels if task.is_valid(label)])
    cohort = pd.DataFrame({"slide_id": slides, "patient_id": [f"p{number}" for number in range(SLIDES)]})
    cohort["label"] = labels
    bags = {slide: rng.standard_normal((3 + number % 4, DIM)).astype(np.float32) for number, slide in enumerate(slides)}
    store = write_store(root / "mmap", bags, dtype="float32")
    (root / "features").mkdir()
    for slide, bag in bags.items():
        with h5py.File(root / "features" / f"{slide}.h5", "w") as file:
            file["features"] = bag
    write_train(root / "train", store, cohort, task, keys)
    write_eval(root / "eval", root / "train", task)
    (root / "bundle").mkdir()
    inputs = Inputs({name: root / name for name in ("train", "mmap", "eval")})
    formats: Any = ("onnx", "torchscript") if request.param == "cox" else ("onnx",)
    own = ExportSettings(formats=formats, parity_patches=(3,), parity_batches=(2,))
    resolve(STAGE.work)(own, inputs, root / "bundle", Quiet())
    resolve(STAGE.check)(root / "bundle")
    evaluated = predictions.read_oof(root / "train", task).sort_values("slide_id", ignore_index=True)
    return Exported(task, root / "bundle", root / "features", evaluated)


def close(values: np.ndarray, expected: np.ndarray) -> bool:
    """Equal within 1e-5, relative to values above 1."""
    return bool((np.abs(values - expected) <= 1e-5 * np.maximum(1.0, np.abs(expected))).all())


def of_test_fold(exported: Exported, table: pd.DataFrame) -> np.ndarray:
    """The values of the member whose test fold contains the slide, [n, K]."""
    rows = zip(table.to_dict("records"), exported.evaluated["fold"], strict=True)
    return np.asarray([[row[f"{name}_fold{fold}"] for name in exported.task.columns] for row, fold in rows])


def test_predicted_and_served_values_are_the_evaluated_ones(exported: Exported) -> None:
    engine, expected = open_bundle(read_bundle(exported.bundle), 1), exported.task.values(exported.evaluated)
    table = predict_slides(engine, find_inputs([exported.features]), members=True).table
    assert table["slide_id"].tolist() == exported.evaluated["slide_id"].tolist() and table["in_training"].all()
    assert close(of_test_fold(exported, table), expected)
    means = [
        [row[f"{name}_fold{fold}"] for name in exported.task.columns for fold in (0, 1)] for _, row in table.iterrows()
    ]
    mean = np.asarray(means, np.float64).reshape(SLIDES, -1, 2).mean(axis=2)
    assert close(table[exported.task.columns].to_numpy(np.float64), mean)
    with TestClient(create_app(Models.of(engine), ServeSettings()), base_url="http://127.0.0.1") as client:
        for row in exported.evaluated.head(3).to_dict("records"):
            body = (exported.features / f"{row['slide_id']}.h5").read_bytes()
            answer = client.post("/predict?members=1&attention=1", content=body).json()
            own = answer["members"][row["fold"]]["values"]
            assert close(np.array(list(own.values())), np.array([row[name] for name in exported.task.columns]))
            assert sum(answer["attention"]) == pytest.approx(1, abs=1e-5)
            inputs = {"name": "features", "datatype": "FP32", "shape": [1, DIM], "data": [0.5] * DIM}
            name = quote(client.get("/models").json()[0]["name"])
            tensors = client.post(f"/v2/models/{name}/infer", json={"inputs": [inputs]}).json()
            made = {key for key in tensors["parameters"] if key.startswith("decision_")}
            assert made == {f"decision_{column}" for column in answer["decisions"]}
        assert client.get("/").status_code == client.get("/schema").status_code == 200
        assert [each["name"] for each in client.get("/model").json()["columns"]] == exported.task.columns


def test_the_bundle_states_the_meaning_of_every_value(exported: Exported) -> None:
    facts, card = read_bundle(exported.bundle).facts, (exported.bundle / "MODEL_CARD.md").read_text()
    assert isinstance(facts, ValueFacts) and facts.names == exported.task.columns
    assert facts.performance.main_metric in facts.performance.slide
    assert all(f"| {column.name} | {column.meaning} |" in card for column in facts.columns)
    if exported.task.name == "multilabel":
        assert "probability that kras is present" in card and "Macro AUROC" in card and "auroc_egfr" in card
        assert [each.column for each in facts.decisions] == ["prob_egfr", "prob_kras"]
        assert "| Sensitivity, egfr |" in card
    elif exported.task.name == "survival":
        assert "until 20 months" in facts.columns[-1].meaning and "C-index (Harrell)" in card
        (cutoff,) = facts.decisions
        assert f"Decision: high risk if risk is at least {cutoff.value:.6g}" in card
    else:
        assert "R²" in card and not facts.decisions


def test_a_decision_is_made_at_the_cutoff(exported: Exported) -> None:
    table = predict_slides(open_bundle(read_bundle(exported.bundle), 1), find_inputs([exported.features])).table
    decided = [name for name in table if str(name).startswith("decision")]
    facts = read_bundle(exported.bundle).facts
    assert isinstance(facts, ValueFacts)
    assert decided == [f"decision_{each.column}" for each in facts.decisions if each.value is not None]
    assert bool(decided) == (exported.task.name != "regression")
    for each in facts.decisions:
        if each.value is None:
            assert "no member" in each.reason
            continue
        high = table[each.column] >= each.value
        assert (table[f"decision_{each.column}"] == np.where(high, each.above, each.below)).all()


def test_a_label_is_decided_at_the_mean_of_the_evaluated_thresholds(exported: Exported) -> None:
    facts, point = read_bundle(exported.bundle).facts, metrics.read_metrics(exported.bundle.parent / "eval")
    assert isinstance(facts, ValueFacts)
    if exported.task.name != "multilabel":
        assert not facts.performance.decisions and "decisions" not in facts.model_dump()["performance"]
        return
    point = point["operating_point"]
    for each in facts.decisions:
        known = [fold[each.column] for fold in point["thresholds"] if fold[each.column] is not None]
        assert each.value == (pytest.approx(np.mean(known)) if known else None)
    for name, estimate in facts.performance.decisions.items():
        assert estimate.value == point["slide"][name]["value"] and name.startswith(("sensitivity_", "specificity_"))
    rows, sensitivity = exported.evaluated, facts.performance.decisions["sensitivity_kras"].value
    present = rows[rows["label"].str.endswith("1")]
    limits = present["fold"].map({fold: own["prob_kras"] for fold, own in enumerate(point["thresholds"])})
    assert sensitivity == pytest.approx((present["prob_kras"] >= limits).mean())


def test_the_python_interface_gives_the_same_values(exported: Exported) -> None:
    model, slide = ValueModel(exported.bundle, threads=1), exported.features / "s03.h5"
    with pytest.raises(ArtifactError, match=r"open it with oceanpath\.ValueModel"):
        load_bundle(exported.bundle)
    engine = open_bundle(read_bundle(exported.bundle), 1)
    found, table = model.predict(slide), predict_slides(engine, find_inputs([slide])).table
    assert found.values == pytest.approx(table[exported.task.columns].iloc[0].to_dict(), rel=1e-12)


def test_a_bundle_of_values_is_no_classifier(exported: Exported) -> None:
    with pytest.raises(ArtifactError, match="gives no class probabilities"):
        Engine(read_bundle(exported.bundle), 1)
