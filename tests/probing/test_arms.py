"""Weights per fold are probed in their folds; patients that a pretraining used are counted; options of the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from oceanpath.artifacts.pretrained import WEIGHTS, WeightFacts, hash_ids, write_weights
from oceanpath.artifacts.split_manifest import SplitManifest
from oceanpath.cli.app import run_app
from oceanpath.errors import ExperimentError
from oceanpath.models.registry import build_aggregator
from oceanpath.models.settings import ABMILSettings
from oceanpath.probing.arms import embed_weights, folds_of, join, patients_seen, weight_files

from ..conftest import write_store

SETTINGS = ABMILSettings(hidden=16, attention=8)
IDS = [f"s{i}" for i in range(12)]


def write_fold(folder: Path, seen: list[str], seed: int) -> None:
    """Weights of a pretraining on these slides, each of a patient with the same id."""
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    state = build_aggregator(SETTINGS, 8).state_dict()
    model, hashes = SETTINGS.model_dump(mode="json"), hash_ids(seen)
    facts = WeightFacts({"name": "vicreg"}, model, 8, "random", "", None, None, 1, hashes, hashes)
    write_weights(folder / WEIGHTS, {name: value.numpy() for name, value in state.items()}, facts)
    SplitManifest("fold_train", "table", 0, seen[2:], seen[:2], {name: name for name in seen}).write(folder)


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    for fold in range(2):
        write_fold(tmp_path / f"fold_{fold}", [name for k, name in enumerate(IDS) if k % 2 != fold], fold)
    return tmp_path


def test_each_slide_is_tested_by_the_fold_that_has_not_seen_it(pretrained: Path) -> None:
    folds = folds_of(pretrained, IDS)
    assert folds is not None
    assert folds.tolist() == [0, 1] * 6
    with pytest.raises(ExperimentError, match="exactly one fold"):
        folds_of(pretrained, [*IDS, "never seen"])


def test_weights_of_folds_give_embeddings_per_fold(pretrained: Path, tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", {name: np.ones((3, 8)) * k for k, name in enumerate(IDS)})
    z = embed_weights(pretrained, store)
    assert z.shape == (2, 12, 16)
    np.testing.assert_array_equal(embed_weights(pretrained / "fold_1", store), z[1])
    joined = join(np.zeros((12, 3)), z)
    assert joined.shape == (2, 12, 19)
    np.testing.assert_array_equal(joined[1, :, 3:], z[1])
    with pytest.raises(ExperimentError, match="no weights"):
        weight_files(tmp_path / "store")


def test_patients_that_a_pretraining_used_are_counted(pretrained: Path) -> None:
    assert patients_seen(pretrained / "fold_0", ["s0", "s1", "s3", "other"]) == 2
    assert patients_seen(pretrained, IDS) == 0


def test_the_command_probes_weights_of_folds(pretrained: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    bags = {name: random.normal(size=(3, 8)) + (k // 2 % 2) * np.eye(8)[0] * 4 for k, name in enumerate(IDS)}
    store = write_store(tmp_path / "store", bags)
    table = pd.DataFrame({"slide_id": IDS, "patient_id": IDS, "label": [str(k // 2 % 2) for k in range(12)]})
    table.to_csv(tmp_path / "labels.csv", index=False)
    out, where = tmp_path / "out.json", [str(pretrained), str(store.path), str(tmp_path / "labels.csv")]
    options = ["--fractions", "100", "--shots", "2", "--draws", "2", "--out", str(out)]
    assert run_app(["probe", *where, *options]) == 0
    rows = json.loads(out.read_text())["rows"]
    assert {row["labelled"] for row in rows} == {"100 %", "2 per class"}
    assert {"aggregator", "mean and aggregator", "mean, MLP", "random weights"} <= {row["arm"] for row in rows}


@pytest.mark.parametrize("options", [["--fractions", "0"], ["--fractions", ""], ["--shots", "x"], ["--shots", "0"]])
def test_budgets_that_are_none_are_refused(options: list[str], pretrained: Path, tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", {name: np.ones((3, 8)) for name in IDS})
    assert run_app(["probe", str(pretrained), str(store.path), str(tmp_path / "none.csv"), *options]) == 2
