"""Patches of a slide with their scores, as AnnData."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.cli.app import run_app
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.objectives.classification import ClassificationObjective
from oceanpath.fit.objectives.losses import build_loss
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.settings import ABMILSettings
from oceanpath.probing.embeddings import patch_scores
from oceanpath.tasks.classification import Classification

from ..conftest import write_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    random = np.random.default_rng(0)
    return write_store(tmp_path / "store", {f"s{i}": random.normal(size=(5 + i, 8)) for i in range(3)}, coords=True)


@pytest.fixture
def model(tmp_path: Path) -> WSIClassifier:
    torch.manual_seed(0)
    objective = ClassificationObjective(Classification(["NR", "R"]), build_loss("ce"))
    classifier = WSIClassifier(ABMILSettings(hidden=16, attention=8), 8, ["NR", "R"])
    save_checkpoint(classifier, objective, tmp_path / "best.ckpt")
    return classifier.eval()


@torch.no_grad()
def test_the_contributions_sum_to_the_outputs_of_the_slide(store: Store, model: WSIClassifier, tmp_path: Path) -> None:
    scores = patch_scores(tmp_path / "best.ckpt", store, 2)
    assert list(scores) == ["attention", "contribution_NR", "contribution_R"]
    logits = model(torch.from_numpy(store.features(2).astype(np.float32))[None])[0]
    sums = [scores[name].sum() for name in list(scores)[1:]]
    np.testing.assert_allclose(sums, logits, atol=1e-5)
    assert scores["attention"].shape == (7,) and abs(scores["attention"].sum() - 1) < 1e-6


@pytest.mark.filterwarnings("ignore:The .future.infer_string. option")  # anndata with pandas 3
@pytest.mark.usefixtures("model")
def test_the_file_has_features_scores_and_coordinates(store: Store, tmp_path: Path, capsys) -> None:
    anndata = pytest.importorskip("anndata", reason="needs oceanpath[h5ad]")
    rest = [str(tmp_path / "best.ckpt"), str(store.path), "--patches"]
    assert run_app(["embed", *rest, "s1", "--out", str(tmp_path / "s1.h5ad")]) == 0
    patches = anndata.read_h5ad(tmp_path / "s1.h5ad")
    np.testing.assert_array_equal(patches.X, store.features(1).astype(np.float32))
    np.testing.assert_array_equal(patches.obsm["spatial"], store.coords(1))
    assert patches.uns["slide_id"] == "s1" and patches.obs.index.tolist() == [str(k) for k in range(6)]
    np.testing.assert_array_equal(patches.obs["attention"], patch_scores(tmp_path / "best.ckpt", store, 1)["attention"])
    assert run_app(["embed", *rest, "s9", "--out", str(tmp_path / "s9.h5ad")]) == 4
    assert run_app(["embed", *rest, "s1", "--out", str(tmp_path / "s1.npy")]) == 2
    assert "no such slide" in (errors := capsys.readouterr().err) and "expected .h5ad" in errors
