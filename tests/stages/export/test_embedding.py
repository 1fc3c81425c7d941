"""A bundle of a pretrained aggregator answers with the embeddings that `oceanpath embed` computes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from litestar.testing import TestClient

from oceanpath.artifacts.bundle import folder as bundle
from oceanpath.artifacts.bundle.facts import Contract, EmbeddingFacts
from oceanpath.artifacts.pretrained import WeightFacts, hash_ids, write_weights
from oceanpath.artifacts.split_manifest import SplitManifest
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError, StageError
from oceanpath.models.pretrained import load_pretrained
from oceanpath.models.registry import build_aggregator
from oceanpath.models.settings import ABMILSettings
from oceanpath.pipeline.stage import Inputs, ParentSources, Quiet, resolve
from oceanpath.probing.embeddings import embed_store, load_aggregator
from oceanpath.serving.app import create_app
from oceanpath.serving.embedder import Embedder
from oceanpath.serving.engine import Engine
from oceanpath.serving.engines import open_bundle
from oceanpath.serving.models import Models
from oceanpath.serving.offline import predict_slides
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.slide_inputs import find_inputs
from oceanpath.stages.export import embedding
from oceanpath.stages.export.preflight import preflight
from oceanpath.stages.export.runners import runner_of
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.stage import STAGE
from oceanpath.stages.extract.settings import ExtractSettings

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
    table = predict_slides(engine, find_inputs([tmp_path / "s2.npy"])).table
    columns = [f"embedding_{k}" for k in range(E)]
    assert np.abs(table.loc[0, columns].to_numpy(np.float32) - expected[2]).max() < 1e-6
    with TestClient(create_app(Models.of(engine), ServeSettings()), base_url="http://127.0.0.1") as client:
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


def with_extract(inputs: Inputs, **parents: Path) -> Inputs:
    return Inputs({**inputs.parents, **parents})


def test_features_of_another_cohort_are_not_those_of_the_extraction(inputs: Inputs, tmp_path: Path) -> None:
    """The pretraining had a store of its own, so the extraction of the labelled cohort says nothing about it."""
    made = ExportSettings(extract=ExtractSettings(encoder="hed_stats"))
    both = with_extract(inputs, extract=tmp_path)
    own, store, settings = embedding._of_cohort(made, both)
    assert own is both and settings is made and store.path == inputs["mmap"]
    other = write_store(tmp_path / "other", {"a": np.ones((2, DIM))})
    own, store, settings = embedding._of_cohort(made, with_extract(both, pretrain_mmap=tmp_path / "other"))
    assert "extract" not in own.parents and set(own.parents) == {"pretrain", "mmap", "pretrain_mmap"}
    assert settings.extract is None and store.path == other.path


@pytest.mark.parametrize(("mpp", "patch_um"), [(0.5, 128.0), (None, 128.0), (0.5, None)])
def test_weights_state_the_geometry_of_features_of_other_tools_if_they_know_it(
    inputs: Inputs, mpp: float | None, patch_um: float | None
) -> None:
    aggregator, weights = load_pretrained(inputs["pretrain"] / "aggregator.safetensors")
    known = replace(weights, mpp=mpp, patch_um=patch_um)
    found = embedding._contract(SETTINGS, inputs, Store(inputs["mmap"]), aggregator, known)
    whole = mpp is not None and patch_um is not None
    expected = (0.5, 256, "r1") if whole else (None, None, "")
    assert (found.target_mpp, found.patch_px, found.encoder_revision) == expected


def test_what_the_extraction_states_is_not_replaced_by_the_weights(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aggregator, weights = load_pretrained(inputs["pretrain"] / "aggregator.safetensors")
    extracted = Contract(encoder="toy", feature_dim=DIM, patch_px=224, target_mpp=1.0, extraction={"encoder": "toy"})
    monkeypatch.setattr(embedding, "describe_contract", lambda *_, **__: extracted)
    assert embedding._contract(SETTINGS, inputs, Store(inputs["mmap"]), aggregator, weights) == extracted


def test_the_summary_states_length_and_comparisons(exported: Path) -> None:
    facts = bundle.read_model_facts(exported)
    assert isinstance(facts, EmbeddingFacts)
    stored = facts.parity.stored.model_copy(
        update={"rows": 5, "total": 6, "differences": {"onnx": 2e-7, "torchscript": 3e-7}}
    )
    parity = facts.parity.model_copy(update={"worst": 1e-7, "stored": stored})
    summary = embedding._summary(facts.model_copy(update={"parity": parity}), 2**19)
    assert summary.lines == (
        f"embeddings of length {E}, 0.5 MB, model {facts.digest[:12]}",
        "reproduces the embeddings of 5 of 6 slides within 3.0e-07",
        "agrees with torch within 1.0e-07",
    )
    assert summary.metrics == {"parity": 1e-7, "parity_stored": 3e-7, "onnx_bytes": 2**19}


def test_differences_of_large_embeddings_are_relative(inputs: Inputs) -> None:
    store = Store(inputs["mmap"])
    expected = [np.array([4.0, -8.0], np.float32), np.array([0.5, 0.25], np.float32)]

    def run(features: np.ndarray, coords: np.ndarray | None) -> list[np.ndarray]:
        assert coords is None and features.dtype == np.float32 and features.shape[::2] == (1, DIM)
        wanted = expected[0] if features.shape[1] == store.length(1) else expected[1]
        return [wanted[None] + np.float32(0.5)]

    assert embedding._largest(run, store, [1], expected[:1], False) == 0.0625
    assert embedding._largest(run, store, [1, 0], expected, False) == 0.5


def test_the_embedder_has_no_gradient_and_no_dropout() -> None:
    module = embedding.SlideEmbedder(build_aggregator(ABMILSettings(hidden=E, attention=4), DIM).train())
    assert not module.training and not any(parameter.requires_grad for parameter in module.parameters())


def test_the_card_states_model_pretraining_and_verification(exported: Path) -> None:
    facts = bundle.read_model_facts(exported)
    assert isinstance(facts, EmbeddingFacts)
    lines = (exported / bundle.CARD).read_text().splitlines()
    for line in (
        "# byol abmil on random",
        f"**{facts.notice}**",
        "| Task | slide embedding |",
        "| Model | abmil |",
        f"| Input | features of one slide, [N, {DIM}], one row per patch, rounded to float16 |",
        "| Coordinates | not used |",
        "| Patches used | all |",
        "| Encoder | random |",
        "| Patch size, resolution | 256 px, 0.5 µm/px |",
        f"| Output | embedding of length {E}, and one attention weight per patch |",
        "| Pretrained on | 6 slides of 6 patients |",
        "Method byol (ema = 0.99). Weights of the step with the highest LiDAR of validation views: step 7 of 9. "
        "RankMe is at most 1 for this number of slides.",
        "| Monitor | Validation views |",
        "| rankme | 1 |",
    ):
        assert line in lines, line
    assert not any(line.startswith(("| step", "| train_loss", "| lidar")) for line in lines)
    text = lines[-1]
    assert text.startswith("The embeddings of 6 of the 6 slides were computed again with every exported file; the ")
    assert "at 1 and 7 patches and 1 and 3 bags" in text and "(allowed: 1e-05)" in text
    sections = [line for line in lines if line.startswith("## ")]
    names = ("Overview", "Usage", "Pretraining", "Limitations", "Verification of the exported files")
    assert sections == [f"## {name}" for name in names]
