"""Embeddings equal those of the aggregator alone; probes find what is there, by patients, with paired intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from oceanpath.artifacts.pretrained import WeightFacts, write_weights
from oceanpath.artifacts.store.reader import Store
from oceanpath.cli.app import run_app
from oceanpath.models.registry import build_aggregator
from oceanpath.models.settings import ABMILSettings
from oceanpath.probing.embeddings import embed_store, load_aggregator
from oceanpath.probing.probe import ProbeCohort, Protocol, auroc, estimate, labelled_folds, predict_probe

from ..conftest import write_store

SETTINGS = ABMILSettings(hidden=16, attention=8)
random = np.random.default_rng(0)
LABELS = np.arange(80) // 2 % 2
COHORT = ProbeCohort(LABELS, np.arange(80) // 2)
PROTOCOL = Protocol(fractions=(0.1, 1.0), folds=4, draws=3, resamples=50)


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


def test_labelled_patients_are_never_tested_and_both_classes_are_labelled() -> None:
    for fraction in (0.01, 0.1, 1.0):
        for train, test in labelled_folds(COHORT, PROTOCOL, fraction):
            assert not set(COHORT.patients[train]) & set(COHORT.patients[test])
            assert set(LABELS[train]) == {0, 1}
    assert len(next(labelled_folds(COHORT, PROTOCOL, 0.01))[0]) == 8  # two patients per class, two slides each


@pytest.mark.parametrize("kind", ["linear", "knn"])
def test_a_probe_finds_the_label_and_differences_are_paired(kind: str) -> None:
    noise = random.normal(size=(80, 100))
    signal = noise.copy()
    signal[:, :5] += 2.0 * LABELS[:, None]
    arms = {name: predict_probe(z, COHORT, PROTOCOL, 0.1, kind) for name, z in (("mean", noise), ("signal", signal))}
    results = estimate(arms, COHORT, PROTOCOL, "mean")
    value, difference = results["signal"]
    assert value.low > 0.6
    assert difference.low > 0
    assert difference.value == pytest.approx(value.value - results["mean"][0].value)
    assert (results["mean"][1].low, results["mean"][1].high) == (0, 0)
    assert results["mean"][0].low < 0.5 < results["mean"][0].high + 0.1
