"""The engine: the module's own answer, and a typed error for everything that is no question."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.bundle import folder as bundles
from oceanpath.artifacts.bundle.facts import Contract, Golden, ThresholdFacts
from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.errors import ArtifactError
from oceanpath.serving.engine import Engine
from oceanpath.serving.engines import ENGINES
from oceanpath.serving.errors import (
    BadFeaturesError,
    EmptyBagError,
    NotFiniteError,
    WrongDimensionError,
    WrongEncoderError,
)

DIM = 12
FIXTURES = [HealthCheck.function_scoped_fixture]


def test_every_kind_of_bundle_has_an_engine_with_its_own_outputs():
    assert set(ENGINES) == {bundles.BundleFacts, *bundles.KINDS.values()}
    assert len({kind.outputs[0] for kind in ENGINES.values()}) == len(ENGINES)
    assert all("attention" in kind.outputs for kind in ENGINES.values())


@settings(deadline=None, max_examples=25, suppress_health_check=FIXTURES)
@given(n=st.integers(1, 300), seed=st.integers(0, 1000))
def test_the_answer_is_the_module_s(engine, toy, n, seed):
    bag = np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)
    with torch.inference_mode():
        probabilities, attention, _ = toy(torch.from_numpy(bag)[None])
    answer = engine.predict(bag)
    assert np.abs(answer.probabilities - probabilities[0].numpy()).max() < 1e-5
    assert np.abs(answer.attention - attention[0].numpy()).max() < 1e-5
    assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert answer.predicted == answer.classes[int(answer.probabilities.argmax())]


@settings(deadline=None, max_examples=15, suppress_health_check=FIXTURES)
@given(seed=st.integers(0, 1000))
def test_the_order_of_patches_does_not_matter(engine, bag, seed):
    order = np.random.default_rng(seed).permutation(len(bag))
    straight, shuffled = engine.predict(bag), engine.predict(bag[order])
    assert np.abs(straight.probabilities - shuffled.probabilities).max() < 1e-6
    assert np.abs(straight.attention[order] - shuffled.attention).max() < 1e-6


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_every_float_is_taken_and_left_alone(engine, bag, dtype):
    given_bag = bag.astype(dtype)
    before = given_bag.copy()
    answer = engine.predict(given_bag)
    assert np.array_equal(given_bag, before)
    assert np.abs(answer.probabilities - engine.predict(given_bag.astype(np.float32)).probabilities).max() == 0


def test_a_read_only_strided_view_is_taken(engine, bag):
    wide = np.repeat(bag, 2, axis=1)
    wide.flags.writeable = False
    assert np.array_equal(engine.predict(wide[:, ::2]).probabilities, engine.predict(bag).probabilities)


def test_the_decision_follows_the_threshold(bundle_path, bag):
    engine = Engine.load(bundle_path, threads=1)
    positive = float(engine.predict(bag).probabilities[1])
    for cut, wanted in ((positive - 1e-4, "R"), (positive + 1e-4, "NR")):
        threshold = ThresholdFacts(value=cut, positive="R", reason="")
        engine.facts = engine.facts.model_copy(update={"threshold": threshold})
        assert engine.predict(bag).decision == wanted
    none = ThresholdFacts(value=None, positive=None, reason="three classes")
    engine.facts = engine.facts.model_copy(update={"threshold": none})
    assert engine.predict(bag).decision is None


@pytest.mark.parametrize(
    ("features", "error"),
    [
        (np.zeros((0, DIM), np.float32), EmptyBagError),
        (np.zeros((3, DIM - 1), np.float32), WrongDimensionError),
        (np.zeros(DIM, np.float32), WrongDimensionError),
        (np.zeros((1, 3, DIM), np.float32), WrongDimensionError),
        (np.full((3, DIM), np.nan, np.float32), NotFiniteError),
        (np.full((3, DIM), -np.inf, np.float16), NotFiniteError),
        (np.full((3, DIM), 1e300), NotFiniteError),
        (np.full((3, DIM), 3e38, np.float32), BadFeaturesError),
    ],
)
def test_what_is_no_question_is_a_typed_error(engine, features, error):
    with pytest.raises(error) as caught:
        engine.predict(features)
    assert type(caught.value) is error
    assert isinstance(caught.value, ArtifactError)


def test_another_encoder_is_refused_only_where_both_are_known(engine, bag):
    with pytest.raises(WrongEncoderError, match="toy_encoder"):
        engine.predict(bag, provenance=Provenance(encoder="uni_v1"))
    assert np.array_equal(
        engine.predict(bag, provenance=Provenance(encoder="toy_encoder")).attention, engine.predict(bag).attention
    )


def changed(bundle_path: Path, to: Path, **facts: object) -> Path:
    shutil.copytree(bundle_path, to, dirs_exist_ok=True)
    bundles.seal(to, bundles.read_facts(to).model_copy(update=facts))
    return to


def test_another_golden_answer_refuses_to_load(bundle_path, tmp_path):
    golden = Golden(patches=5, probabilities=[0.5, 0.5])
    with pytest.raises(ArtifactError, match="reference prediction"):
        Engine.load(changed(bundle_path, tmp_path, golden=golden))


def test_a_model_of_other_features_refuses_to_load(bundle_path, tmp_path):
    contract = Contract(encoder="", feature_dim=DIM + 1)
    with pytest.raises(ArtifactError, match="feature statistics have other shapes"):
        Engine.load(changed(bundle_path, tmp_path / "with_statistics", contract=contract))
    shutil.copytree(bundle_path, tmp_path, dirs_exist_ok=True)
    (tmp_path / bundles.STATISTICS).unlink()
    bundles.seal(tmp_path, bundles.read_facts(bundle_path).model_copy(update={"contract": contract}))
    with pytest.raises(ArtifactError, match="cannot run"):
        Engine.load(tmp_path)


def test_sealed_garbage_refuses_to_load(bundle_path, tmp_path):
    shutil.copytree(bundle_path, tmp_path, dirs_exist_ok=True)
    (tmp_path / bundles.ONNX).write_bytes(b"no model")
    bundles.seal(tmp_path, bundles.read_facts(tmp_path))
    with pytest.raises(ArtifactError, match="cannot run"):
        Engine.load(tmp_path)


def test_a_model_with_weights_in_another_file_refuses_to_load(bundle_path, tmp_path):
    import onnx

    shutil.copytree(bundle_path, tmp_path, dirs_exist_ok=True)
    model = onnx.load(tmp_path / bundles.ONNX)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "MODEL_CARD.md"
    (tmp_path / bundles.ONNX).write_bytes(model.SerializeToString())
    bundles.seal(tmp_path, bundles.read_facts(tmp_path))
    with pytest.raises(ArtifactError, match="cannot run"):
        Engine.load(tmp_path)


def test_slides_unlike_the_training_slides_are_flagged(engine, bag):
    usual, unlike = engine.predict(bag), engine.predict(bag + 5)
    assert usual.similarity.ood_score == pytest.approx(np.linalg.norm(bag.mean(axis=0)), rel=1e-5)
    assert not usual.similarity.is_ood
    assert unlike.similarity.is_ood
    assert any("out of distribution" in note for note in unlike.notes)
    assert not any("out of distribution" in note for note in usual.notes)
