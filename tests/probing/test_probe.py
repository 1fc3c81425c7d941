"""Embeddings equal those of the aggregator alone; probes find what is there, by patients, with paired intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from oceanpath.artifacts.pretrained import WeightFacts, write_weights
from oceanpath.artifacts.store.reader import Store
from oceanpath.cli.app import run_app
from oceanpath.models.registry import build_aggregator
from oceanpath.models.settings import ABMILSettings
from oceanpath.probing.comparison import Comparison, auroc
from oceanpath.probing.embeddings import embed_store, load_aggregator, whitened
from oceanpath.probing.logistic import STRENGTHS, fit, probabilities
from oceanpath.probing.probe import Kind, predict_probe
from oceanpath.probing.protocol import Budget, ProbeCohort, Protocol, inner_folds, trials
from oceanpath.probing.trained import Labelled, TrainedProbe, predict_trained

from ..conftest import write_store

SETTINGS = ABMILSettings(hidden=16, attention=8)
random = np.random.default_rng(0)
LABELS = np.arange(80) // 2 % 2
COHORT = ProbeCohort(LABELS, np.arange(80) // 2)
PROTOCOL = Protocol(folds=4, draws=2, resamples=50)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_store(tmp_path / "store", {f"s{i}": random.normal(size=(5 + i, 8)) for i in range(6)})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    state = build_aggregator(SETTINGS, 8).state_dict()
    facts = WeightFacts({"name": "vicreg"}, SETTINGS.model_dump(mode="json"), 8, "random", "", None, None, 1, [], [])
    write_weights(tmp_path / "w.safetensors", {name: value.numpy() for name, value in state.items()}, facts)
    return tmp_path / "w.safetensors"


def test_embeddings_are_those_of_each_slide_alone(store: Store, weights: Path) -> None:
    aggregator = load_aggregator(weights)
    for number, row in enumerate(embed_store(aggregator, store)):
        bag = torch.from_numpy(store.features(number).astype(np.float32)).unsqueeze(0)
        with torch.no_grad():
            expected = aggregator.forward_features(bag)[0][0].numpy()
        np.testing.assert_allclose(row, expected, atol=1e-5)


@pytest.mark.parametrize("suffix", [".parquet", ".npy"])
def test_the_command_writes_one_row_per_slide(store: Store, weights: Path, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"embeddings{suffix}"
    assert run_app(["embed", str(weights), str(store.path), "--out", str(out)]) == 0
    expected = embed_store(load_aggregator(weights), store)
    if suffix == ".npy":
        np.testing.assert_array_equal(np.load(out), expected)
        assert pd.read_csv(tmp_path / "embeddings.slides.csv")["slide_id"].tolist() == store.slide_ids
    else:
        table = pd.read_parquet(out)
        assert table["slide_id"].tolist() == store.slide_ids
        np.testing.assert_array_equal(table.iloc[:, 1:].to_numpy(), expected)


def test_an_unknown_type_of_file_is_refused(store: Store, weights: Path, tmp_path: Path) -> None:
    assert run_app(["embed", str(weights), str(store.path), "--out", str(tmp_path / "e.csv")]) == 2


def test_auroc_equals_that_of_scikit_learn_also_with_ties_and_several_classes() -> None:
    scores = np.round(random.random(60), 1)
    two = np.stack([1 - scores, scores], axis=1)
    labels = random.integers(2, size=60)
    assert auroc(two, labels) == pytest.approx(roc_auc_score(labels, scores))
    three = random.dirichlet(np.ones(3), 60)
    labels = random.integers(3, size=60)
    assert auroc(three, labels) == pytest.approx(roc_auc_score(labels, three, multi_class="ovr"))


@pytest.mark.parametrize("size", [(12, 30), (70, 20)])
def test_logistic_regression_equals_that_of_scikit_learn(size: tuple[int, int]) -> None:
    x, y = random.normal(size=size), np.arange(size[0]) % 2
    x[:, :3] += y[:, None]
    constant, weights = np.ones((len(x), 1)), np.ones((2, len(x)))
    weights[1, ::3] = 0
    for strength in STRENGTHS:
        found = fit(np.hstack([x, constant]), y == 1, weights, strength, np.zeros((2, size[1] + 1)))
        for own, used in zip(found, weights > 0, strict=True):
            model = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(x[used], y[used])
            np.testing.assert_allclose(own[:-1], model.coef_[0], atol=1e-4)
            assert own[-1] == pytest.approx(model.intercept_[0], abs=1e-4)


def test_inner_folds_select_the_penalty_of_several_classes() -> None:
    y = np.arange(60) % 3
    x = random.normal(size=(60, 80))
    x[:, :3] += 3 * np.eye(3)[y]
    predicted = probabilities(x, y, np.arange(60) // 3 % 3, x)
    np.testing.assert_allclose(predicted.sum(axis=1), 1)
    assert (predicted.argmax(axis=1) == y).mean() > 0.95


def test_labelled_patients_are_never_tested_and_every_class_is_labelled() -> None:
    for budget in (Budget(0.01), Budget(0.1), Budget(patients=1), Budget(patients=32), Budget()):
        for trial in trials(COHORT, PROTOCOL, budget):
            assert not set(COHORT.patients[trial.train]) & set(COHORT.patients[trial.test])
            assert set(trial.labelled) <= set(trial.train)
            assert set(LABELS[trial.labelled]) == {0, 1}
    of_one = trials(COHORT, PROTOCOL, Budget(0.01))[0].labelled
    assert len(of_one) == 8  # two patients per class, two slides each
    assert len(trials(COHORT, PROTOCOL, Budget(patients=1))[0].labelled) == 4
    assert [str(budget) for budget in (Budget(0.25), Budget(patients=8))] == ["25 %", "8 per class"]


def test_inner_folds_keep_patients_together_and_have_every_class() -> None:
    folds = inner_folds(COHORT, np.arange(40), 3)
    for patient in range(20):
        assert len(set(folds[COHORT.patients[:40] == patient])) == 1
    assert {(int(fold), int(label)) for fold, label in zip(folds, LABELS[:40], strict=True)} == {
        (fold, label) for fold in range(3) for label in range(2)
    }


def test_folds_that_a_pretraining_determines_are_used() -> None:
    folds = COHORT.patients % 3
    for trial in trials(ProbeCohort(LABELS, COHORT.patients, folds), PROTOCOL, Budget()):
        assert set(folds[trial.test]) == {trial.fold}


@pytest.mark.parametrize("kind", ["linear", "mlp", "knn"])
def test_a_probe_finds_the_label_and_differences_are_paired(kind: Kind) -> None:
    noise = random.normal(size=(80, 100))
    signal = noise.copy()
    signal[:, :5] += 2.0 * LABELS[:, None]
    embeddings = {"mean": noise, "signal": signal}
    arms = {name: [predict_probe(z, COHORT, PROTOCOL, Budget(0.25), kind)] for name, z in embeddings.items()}
    compared = Comparison(arms, COHORT, PROTOCOL)
    value, difference = compared.value("signal"), compared.difference("signal", "mean")
    assert value.low > 0.6
    assert difference.low > 0
    assert difference.value == pytest.approx(value.value - compared.value("mean").value)
    same = compared.difference("mean", "mean")
    assert (same.low, same.high) == (0, 0)
    mean = compared.value("mean")
    assert mean.low < 0.5 < mean.high + 0.1


def test_embeddings_may_differ_per_fold_and_seeds_are_resampled() -> None:
    z = random.normal(size=(80, 6))
    common = predict_probe(z, COHORT, PROTOCOL, Budget(0.1), "linear")
    per_fold = predict_probe(np.stack([z] * 4), COHORT, PROTOCOL, Budget(0.1), "linear")
    for one, other in zip(common, per_fold, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
    seeds = [predict_probe(z + shift * LABELS[:, None], COHORT, PROTOCOL, Budget(0.1), "linear") for shift in (0, 2)]
    compared = Comparison({"one": seeds[:1], "both": seeds}, COHORT, PROTOCOL)
    width = {name: compared.value(name).high - compared.value(name).low for name in ("one", "both")}
    assert width["both"] > width["one"]


def test_trained_probes_start_from_weights_and_find_the_label(weights: Path, tmp_path: Path) -> None:
    own = np.random.default_rng(1)  # the same slides, whichever tests run before
    rows = {f"s{i:02}": own.normal(size=(6, 8)) + 3.0 * LABELS[i] * np.eye(8)[0] for i in range(40)}
    cohort = ProbeCohort(LABELS[:40], COHORT.patients[:40])
    slides = Labelled(write_store(tmp_path / "own", rows), range(40), cohort)
    settings = TrainedProbe(epochs=15, lr=1e-2, model=SETTINGS, frozen_epochs=1)
    protocol = Protocol(folds=2, draws=1)
    for start in ((), (weights,)):
        for one in predict_trained(slides, protocol, Budget(0.5), settings, start):
            assert auroc(one.probabilities, cohort.labels[one.rows])[0] > 0.9
    assert len(predict_trained(slides, protocol, Budget(patients=1), settings)) == 2


def test_whitened_rows_have_unit_covariance_over_the_reference() -> None:
    reference = random.normal(size=(200, 10)) @ random.normal(size=(10, 10))
    white = whitened(reference.astype(np.float32), reference.astype(np.float32), 4)
    np.testing.assert_allclose(np.cov(white.T), np.eye(4), atol=1e-3)
