"""Every number of metrics.json is computed once more, from the prediction files and with other code."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.store.reader import Store
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.eval import work
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.probabilities import prob_columns

from ..split.conftest import assign_folds
from .conftest import write_bags
from .other_code import (
    SMOOTH,
    WEIGHTED,
    Table,
    auroc,
    closed,
    confusion,
    decided,
    everything,
    not_resampled,
    paired,
    smooth,
)

RESAMPLES, SEED, CONFIDENCE = 100, 7, 0.9
SETTINGS = EvalSettings(resamples=RESAMPLES, seed=SEED, confidence=CONFIDENCE)
COHORTS = {  # classes with their share of patients, patients, most slides of a patient
    "lung": ({"LUAD": 0.5, "LUSC": 0.5}, 60, 2),
    "kidney": ({"KIRP": 0.3, "KIRC": 0.55, "KICH": 0.15}, 70, 2),
    "breast": ({"ductal": 0.8, "lobular": 0.2}, 60, 5),
}


def hold(records, table, values, checked=(), decisions=None):
    """The records are these values with their intervals; those of smooth metrics only where they are `checked`."""
    plain = not_resampled(table) if decisions is None and len(values) > 5 else {}
    assert set(records) == set(values) | set(plain)
    ends = closed(table, decided(table) if decisions is None else decisions, CONFIDENCE)
    for name, record in records.items():
        value = (values | plain)[name]
        if np.isnan(value):
            assert record["value"] is None and record["reason"], name
            continue
        exact = 1e-4 if name.startswith("calibration") else 1e-9 if name in plain else 1e-12
        assert record["value"] == pytest.approx(value, abs=exact), name
        counts = {"n": len(table.y), "n_patients": len(set(table.patient)), "resamples": 0, "redrawn": 0}
        assert {key: record[key] for key in counts} == counts, name
        if name in ends:
            if (own := ends[name]) is None:
                assert record["low"] is None and record["reason"]
            else:
                assert (record["low"], record["high"]) == pytest.approx(own, abs=1e-10), name
        elif name.startswith(("ece", "ici")):
            assert record["low"] is None and record["reason"]
        elif name in checked:
            expected = smooth(name, table, decided(table) if decisions is None else decisions, CONFIDENCE)
            assert expected is not None and (record["low"], record["high"]) == pytest.approx(expected, abs=1e-6), name


def build(root, name):
    """A cohort in the formats of the parents: folds as they are dealt, and a model per fold with a scale of its own."""
    shares, patients, most = COHORTS[name]
    random, classes = np.random.default_rng(3), list(shares)
    owner = np.repeat(np.arange(patients), random.integers(1, most + 1, patients))
    of_patient = random.choice(classes, patients, p=list(shares.values()))
    slides = pd.DataFrame({"slide_id": [f"s{i:03d}" for i in range(len(owner))]})
    slides["patient_id"], slides["label"] = [f"p{i:02d}" for i in owner], of_patient[owner]
    frames = assign_folds(slides, SplitSettings(classes=tuple(classes), folds=3))
    for part in ("mmap", "split", "train"):
        (root / part).mkdir()
    write_bags(root / "mmap", slides, classes)
    folds.write_folds(root / "split", frames, {"scheme": "kfold", "classes": classes})
    tests = []
    for number, frame in enumerate(frames):
        tables = {}
        for role in ("val", "test"):
            rows = frame[frame["role"] == role].reset_index(drop=True)
            logits = random.normal(size=(len(rows), len(classes)))
            logits[np.arange(len(rows)), [classes.index(label) for label in rows["label"]]] += 1.2
            probs = np.exp(logits * (1 + number)) / np.exp(logits * (1 + number)).sum(axis=1, keepdims=True)
            tables[role] = rows.assign(**dict(zip(prob_columns(classes), probs.T, strict=True)), fold=number)
        (root / f"train/fold_{number}").mkdir()
        (root / f"train/fold_{number}/history.json").write_text('[{"epoch": 0, "train_loss": 0.7, "val_loss": 0.6}]')
        predictions.write_predictions(
            tables["val"], root / f"train/fold_{number}/preds_val.parquet", Classification(classes)
        )
        tests.append(tables["test"])
    predictions.write_predictions(pd.concat(tests), root / "train/oof_predictions.parquet", Classification(classes))
    cuts = [0.37, 0.5, 0.62] if len(classes) == 2 else [None] * 3
    per_fold = [{"fold": k, "best_epoch": k, "epochs": 9, "val_loss": 0.5, "threshold": cuts[k]} for k in range(3)]
    results = {"classes": classes, "folds": 3, "model": {}, "per_fold": per_fold, "scheme": "kfold", "selected": False}
    predictions.write_cv_results(results, root / "train")
    return Inputs(parents={part: root / part for part in ("train", "mmap", "split")})


def baselines(root, table, frame, classes):
    """Probabilities of the four baselines, fitted again on what each fold does not test."""
    store = Store(root / "mmap")
    bags = {store.slide_id(i): np.array(store.features(i), np.float64) for i in range(len(store.slide_ids))}
    raw = dict(zip(store.slide_ids, store.index.raw_lengths, strict=True))
    inputs = {
        "mean_pool_lr": {name: bag.mean(axis=0) for name, bag in bags.items()},
        "max_pool_lr": {name: bag.max(axis=0) for name, bag in bags.items()},
        "bag_length": {name: np.array([np.log(raw[name])]) for name in bags},
    }
    found = {name: np.zeros_like(table.p) for name in (*inputs, "majority")}
    shares = []
    for number in range(3):
        fold = pd.read_parquet(root / f"split/fold_{number}.parquet")
        fit = fold[fold["role"] != "test"]
        tested = np.flatnonzero(table.fold == number)
        shares.append([np.mean(fit["label"] == name) for name in classes])
        for name, pooled in inputs.items():
            x = np.array([pooled[slide] for slide in fit["slide_id"]]).astype(np.float32).astype(np.float64)
            to = np.array([pooled[slide] for slide in frame["slide_id"].iloc[tested]]).astype(np.float32)
            centre, spread = x.mean(axis=0), x.std(axis=0)
            model = LogisticRegression(C=0.01, max_iter=5000)
            model.fit((x - centre) / spread, [classes.index(label) for label in fit["label"]])
            found[name][tested] = model.predict_proba((to.astype(np.float64) - centre) / spread)
    found["majority"][:] = np.mean(shares, axis=0)
    return {name: np.round(probs, 9) for name, probs in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "with_intervals"), [("lung", True), ("kidney", False), ("breast", False)])
def test_every_number_is_that_of_other_code(tmp_path, name, with_intervals):
    inputs, out = build(tmp_path, name), tmp_path / "eval"
    out.mkdir()
    work.run(SETTINGS, inputs, out, Quiet())
    report = json.loads((out / "metrics.json").read_text())
    results = json.loads((tmp_path / "train/cv_results.json").read_text())
    frame, classes = pd.read_parquet(tmp_path / "train/oof_predictions.parquet"), results["classes"]
    slides = Table(frame, classes)
    keys = {"label": "first", "fold": "first"} | {f"prob_{c}": "mean" for c in classes}
    patients = Table(frame.groupby("patient_id", as_index=False).agg(keys), classes)
    for level, table in (("slide", slides), ("patient", patients)):
        hold(report["level"][level], table, everything(table), SMOOTH if with_intervals else ())

    if len(classes) == 2:
        cuts = np.array([entry["threshold"] for entry in results["per_fold"]])
        for level, table in (("slide", slides), ("patient", patients)):
            decisions = (table.p[:, 1] >= cuts[table.fold]).astype(int)
            numbers = confusion(table, decisions)
            hold(report["operating_point"][level], table, numbers, WEIGHTED if with_intervals else (), decisions)
    else:
        assert report["operating_point"] is None

    for number, entry in enumerate(report["folds"]):
        table = slides.take(slides.fold == number)
        values, names = everything(table), ("auroc", "balanced_accuracy")
        checked = WEIGHTED if with_intervals else ()
        hold({key: entry[key] for key in names}, table, {key: values[key] for key in names}, checked)
        assert (entry["n"], entry["n_patients"]) == (len(table.y), len(set(table.patient)))

    for floor, probs in baselines(tmp_path, slides, frame, classes).items():
        table = slides.take(np.arange(len(slides.y)))
        table.p = probs
        values = everything(table)
        hold(report["floor"][floor], table, values)
        versus, difference = report["versus_baseline"][floor], auroc(slides)["auroc"] - values["auroc"]
        assert versus["value"] == pytest.approx(difference, abs=1e-12)
        found = (versus["low"], versus["high"], versus["p"])
        assert found == pytest.approx(paired(slides, probs, CONFIDENCE), abs=1e-9)
