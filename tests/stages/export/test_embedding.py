"""A bundle of a pretrained aggregator answers with the embeddings that `oceanpath embed` computes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from litestar.testing import TestClient

from oceanpath.artifacts.bundle import folder as bundle
from oceanpath.artifacts.bundle.facts import EmbeddingFacts
from oceanpath.artifacts.pretrained import WeightFacts, hash_ids, write_weights
from oceanpath.artifacts.split_manifest import SplitManifest
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError, StageError
from oceanpath.models.registry import build_aggregator
from oceanpath.models.settings import ABMILSettings
from oceanpath.pipeline.stage import Inputs, ParentSources, Quiet, resolve
from oceanpath.probing.embeddings import embed_store, load_aggregator
from oceanpath.serving.app import create_app
from oceanpath.serving.embedder import Embedder, open_bundle
from oceanpath.serving.engine import Engine
from oceanpath.serving.offline import embedding_table
from oceanpath.serving.settings import ServeSettings
from oceanpath.stages.export.preflight import preflight
from oceanpath.stages.export.runners import runner_of
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.stage import STAGE

from ...conftest import write_store

DIM, E = 10, 12
SLIDES = [f"s{i}" for i in range(6)]
SETTINGS = ExportSettings(parity_patches=(1, 7))


def write_pretraining(folder: Path) -> Path:
    """The output of `pretrain` as far as an export reads it."""
    folder.mkdir()
    torch.manual_seed(0)
    model = ABMILSettings(hidden=E, attention=4)
    tensors = {name: value.numpy() for name, value in build_aggregator(model, DIM).state_dict().items()}
    manifest = SplitManifest("manifest", "slide", 1, SLIDES[:4], SLIDES[4:], {name: name for name in SLIDES})
    ids = (hash_ids(SLIDES), hash_ids(SLIDES))
    facts = WeightFacts(
        {"name": "byol", "ema": 0.99}, model.model_dump(mode="json"), DIM, "random", "r1", 128.0, 0.5, 7, *ids
    )
    write_weights(folder / "aggregator.safetensors", tensors, facts)
    manifest.write(folder)
    monitors = {"step": 7, "rankme": 1.0, "lidar": None, "train_loss": 2.0}
    result = {"selection": "highest LiDAR of validation views: step 7 of 9", "rankme_limit": 1, "monitors": monitors}
    (folder / "pretrain.json").write_text(json.dumps(result))
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    root = tmp_path_factory.mktemp("embedding")
    random = np.random.default_rng(0)
    write_store(root / "mmap", {name: random.normal(size=(5 + i, DIM)) for i, name in enumerate(SLIDES)})
    return Inputs({"pretrain": write_pretraining(root / "pretrain"), "mmap": root / "mmap"})


@pytest.fixture(scope="module")
def exported(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle")
    resolve(STAGE.work)(SETTINGS, inputs, out, Quiet())
    resolve(STAGE.check)(out)
    return out


@pytest.fixture(scope="module")
def expected(inputs: Inputs) -> np.ndarray:
    weights = load_aggregator(inputs["pretrain"] / "aggregator.safetensors")
    return embed_store(weights, Store(inputs["mmap"]))


def test_it_answers_with_the_embeddings_of_the_store(inputs: Inputs, exported: Path, expected: np.ndarray) -> None:
    engine, store = open_bundle(bundle.read_bundle(exported), threads=1), Store(inputs["mmap"])
    assert isinstance(engine, Embedder)
    for number, wanted in enumerate(expected):
        answer = engine.predict(store.features(number))
        assert np.abs(answer.embedding - wanted).max() < 1e-6
        assert answer.attention.sum() == pytest.approx(1, abs=1e-5)
        assert answer.notes[-1] == "this slide was used for the pretraining"
    assert not engine.predict(np.ones((3, DIM), np.float32)).in_training
    scripted = runner_of("torchscript", (exported / bundle.TORCHSCRIPT).read_bytes())
    assert np.abs(scripted(store.features(0)[None].astype(np.float32), None)[0][0] - expected[0]).max() < 1e-6


def test_facts_and_card_say_what_it_is(exported: Path) -> None:
    facts = bundle.read_model_facts(exported)
    assert isinstance(facts, EmbeddingFacts)
    assert facts.embed_dim == len(facts.golden.embedding) == E
    assert (facts.contract.target_mpp, facts.contract.patch_px, facts.contract.encoder_revision) == (0.5, 256, "r1")
    assert facts.parity.stored.rows == len(SLIDES)
    card = (exported / bundle.CARD).read_text()
    assert "train_loss" not in card
    assert all(text in card for text in ("slide embedding", "byol (ema = 0.99)", "6 slides of 6 patients", "rankme"))
    with pytest.raises(ArtifactError, match="no class probabilities"):
        Engine.load(exported)
    with pytest.raises(ArtifactError, match="no class probabilities"):
        bundle.read_facts(exported)


def test_predict_and_serve_answer_the_same(
    inputs: Inputs, exported: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    engine = Embedder(bundle.read_bundle(exported), threads=1)
    bag = Store(inputs["mmap"]).features(2).astype(np.float32)
    np.save(tmp_path / "s2.npy", bag)
    table = embedding_table(engine, [tmp_path / "s2.npy"])
    columns = [f"embedding_{k}" for k in range(E)]
    assert np.abs(table.loc[0, columns].to_numpy(np.float32) - expected[2]).max() < 1e-6
    with TestClient(create_app(engine, ServeSettings()), base_url="http://127.0.0.1") as client:
        answer = client.post("/predict?attention=1", content=(tmp_path / "s2.npy").read_bytes())
        assert answer.status_code == 200
        assert answer.json()["embedding"] == table[columns].to_numpy()[0].tolist()
        assert len(answer.json()["attention"]) == len(bag)
        assert client.get("/model").json()["output"] == "embedding"
        assert client.get("/health").json()["ready"] is True
        assert "embedding" in client.get("/").text


def test_one_aggregator_per_fold_is_refused_before_any_work() -> None:
    (problem,) = preflight(ExportSettings(rows="fold_train"), ParentSources(names=frozenset({"pretrain"}))).problems
    assert "one pretrained aggregator per fold" in problem.what
    assert not preflight(ExportSettings(), ParentSources(names=frozenset({"pretrain"}))).problems


def test_a_file_that_differs_is_not_published(inputs: Inputs, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="differs"):
        resolve(STAGE.work)(SETTINGS.model_copy(update={"tolerance": 0.0}), inputs, tmp_path, Quiet())
