"""The contract applied: features that are rejected, sampled, rounded, or noted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oceanpath.artifacts.bundle import folder as bundles
from oceanpath.artifacts.bundle.facts import Capping, Contract
from oceanpath.artifacts.bundle.training_slides import TrainingSlides
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.bags.cap import Cap, stratified_rows
from oceanpath.errors import ArtifactError
from oceanpath.serving.contract import sample_rows, validate_coords, validate_features, validate_provenance
from oceanpath.serving.engine import Engine
from oceanpath.serving.errors import (
    BadFeaturesError,
    MissingCoordsError,
    MissingSlideIdError,
    NotFiniteError,
    WrongDimensionError,
    WrongEncoderError,
    WrongPatchesError,
)

DIM = 12
PLAIN = Contract(encoder="toy_encoder", feature_dim=DIM, patch_px=256, target_mpp=0.5, patch_px_level0=(512.0, 512.0))
STATED = Provenance("s1", "toy_encoder", "", 256, 0.5, 512.0)


def capping(strategy: str = "spatial_stratified", keep: int = 10) -> Capping:
    cap = Cap(keep, strategy, 4, 7)
    return Capping(golden_rows=cap.golden_rows(), **cap._asdict())


def engine_with(bundle_path: Path, to: Path, training: TrainingSlides | None = None, **contract: Any) -> Engine:
    """The toy model under another contract."""
    shutil.copytree(bundle_path, to, dirs_exist_ok=True)
    facts = bundles.read_facts(to)
    if training is not None:
        (to / bundles.TRAINING).write_bytes(training.render())
    bundles.seal(to, facts.model_copy(update={"contract": facts.contract.model_copy(update=contract)}))
    return Engine.load(to, threads=1)


def grid(n: int) -> np.ndarray:
    return np.stack([np.arange(n) % 7, np.arange(n) // 7], axis=1).astype(np.int32) * 512


@pytest.mark.parametrize(
    ("stored", "evaluated", "noted"),
    [
        ("float16", "float32", True),
        ("bfloat16", "float32", True),
        ("float16", "bfloat16", True),
        ("float16", "float16", False),
        ("float32", "float16", False),  # rounded to the type of the contract
        ("", "float32", False),
    ],
)
def test_a_store_of_other_precision_than_that_of_the_evaluation_is_noted(stored, evaluated, noted):
    contract = PLAIN.model_copy(update={"dtype": evaluated})
    notes = validate_provenance(contract, replace(STATED, stored_dtype=stored))
    assert len(notes) == noted and all(stored in note and evaluated in note for note in notes)


@pytest.mark.parametrize(
    ("provenance", "error", "words"),
    [
        (Provenance(encoder="uni_v1"), WrongEncoderError, "expected toy_encoder, got uni_v1"),
        (Provenance(patch_px=224), WrongPatchesError, "expected 256 px at 0.5 µm/px, got 224 px at unknown"),
        (Provenance(target_mpp=0.25), WrongPatchesError, "got unknown px at 0.25 µm/px"),
        (Provenance(patch_px=256, target_mpp=1.0), WrongPatchesError, "got 256 px at 1 µm/px"),
    ],
)
def test_features_of_another_extraction_are_rejected(provenance, error, words):
    with pytest.raises(error, match=words) as caught:
        validate_provenance(PLAIN, provenance)
    assert caught.value.status == 409


def test_other_weights_of_the_encoder_are_rejected():
    contract = PLAIN.model_copy(update={"weights_sha256": "aa" * 32})
    assert validate_provenance(contract, STATED) == []
    with pytest.raises(WrongEncoderError, match="different encoder weights"):
        validate_provenance(contract, Provenance(weights_sha256="bb" * 32))


def test_properties_that_the_features_do_not_state_are_accepted_with_a_note():
    assert validate_provenance(PLAIN, STATED) == []
    (note,) = validate_provenance(PLAIN, UNKNOWN)
    assert "do not state their encoder and patch size and resolution" in note
    assert validate_provenance(Contract(encoder="", feature_dim=DIM), UNKNOWN) == []
    (note,) = validate_provenance(PLAIN, Provenance("", "toy_encoder", "", 256, 0.505, 1024.0))
    assert note == "patches are 1024 level-0 pixels wide; in the training data 512"


@pytest.mark.parametrize(
    ("coords", "words"),
    [
        (np.zeros((4, 2)), "wrong shape"),
        (np.zeros((5, 3)), "wrong shape"),
        (np.full((5, 2), np.nan), "finite"),
        (np.full((5, 2), 2.0**24 + 2), "finite"),
    ],
)
def test_invalid_coordinates_are_rejected_by_every_contract(coords, words):
    for needed in ("required", "optional", "unused"):
        contract = PLAIN.model_copy(update={"coords": needed})
        with pytest.raises(BadFeaturesError, match=words):
            validate_coords(contract, coords, 5)


def test_a_model_of_slide_embeddings_reads_one_row():
    contract = PLAIN.model_copy(update={"slide_level": True})
    validate_features(contract, np.ones((1, DIM)))
    with pytest.raises(WrongDimensionError, match=rf"one embedding per slide; expected \[{DIM}\], got \[2, {DIM}\]"):
        validate_features(contract, np.ones((2, DIM)))
    assert "slide_level" not in PLAIN.model_dump() and contract.model_dump()["slide_level"] is True
    assert (PLAIN.level, contract.level) == ("patch", "slide")


def test_coordinates_are_required_if_the_model_reads_them():
    required = PLAIN.model_copy(update={"coords": "required"})
    with pytest.raises(MissingCoordsError, match="needs the coordinates"):
        validate_coords(required, None, 5)
    assert validate_coords(PLAIN, None, 5) is None
    pixels = validate_coords(required, np.array([[0.4, 511.6]]), 1)
    assert pixels is not None
    assert pixels.dtype == np.int32 and pixels.tolist() == [[0, 512]]


def test_the_rows_within_the_cap_are_those_of_the_store():
    coords = grid(40)
    assert sample_rows(None, 40, None, "") is None
    assert sample_rows(capping(), 10, None, "") is None
    rows = sample_rows(capping(), 40, coords, "s1")
    assert rows is not None and np.array_equal(rows, stratified_rows(coords, 10, 4, 7, "s1"))
    with pytest.raises(MissingSlideIdError, match="slide id"):
        sample_rows(capping(), 40, coords, "")
    with pytest.raises(MissingCoordsError, match="needs coordinates"):
        sample_rows(capping(), 40, None, "s1")
    assert sample_rows(capping("random"), 40, None, "s1") is not None


def test_a_capped_engine_uses_only_the_sampled_rows_and_notes_it(bundle_path, tmp_path, bag):
    engine = engine_with(bundle_path, tmp_path, cap=capping(), coords="optional")
    rows = stratified_rows(grid(37), 10, 4, 7, "s1")
    answer = engine.predict(bag, grid(37), STATED)
    alone = engine.predict(bag[rows], grid(37)[rows], STATED)
    assert np.array_equal(answer.probabilities, alone.probabilities)
    assert np.array_equal(answer.attention[rows], alone.attention)
    assert answer.attention.sum() == pytest.approx(1)
    assert (answer.n_patches, answer.n_used, alone.notes) == (37, 10, ())
    assert answer.notes == ("the model's cap: 10 of 37 patches were used, sampled by the slide id s1",)


def test_a_machine_that_samples_other_rows_does_not_serve(bundle_path, tmp_path):
    other = capping().model_copy(update={"golden_rows": [0, 1, 2, 3, 4]})
    with pytest.raises(ArtifactError, match="does not sample the same patches"):
        engine_with(bundle_path, tmp_path, cap=other)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_features_are_rounded_as_the_store_rounds_them(bundle_path, tmp_path, bag, dtype):
    engine = engine_with(bundle_path, tmp_path, dtype=dtype)
    raw = bag.astype(np.float64) + 1e-5
    single = raw.astype(np.float32)
    bits = single.view(np.uint32).astype(np.uint64)
    nearest_even = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    stored = {"float16": single.astype(np.float16), "bfloat16": nearest_even, "float32": single}[dtype]
    assert np.array_equal(engine.predict(raw).probabilities, engine.predict(stored.astype(np.float32)).probabilities)
    if dtype != "float32":
        assert not np.array_equal(stored.astype(np.float32), single)


def test_values_beyond_the_range_of_the_dtype_are_rejected(bundle_path, tmp_path, bag):
    engine = engine_with(bundle_path, tmp_path, dtype="float16")
    with pytest.raises(NotFiniteError, match="too large; expected numbers within the range of float16"):
        engine.predict(np.where(bag == bag.max(), 1e5, bag))


def test_slides_of_the_training_cohort_are_recognised(bundle_path, tmp_path, bag):
    training = TrainingSlides.of([bag[5:30].astype(np.float16)], ["ab" * 16])
    engine = engine_with(bundle_path, tmp_path, training, dtype="float16")
    rng = np.random.default_rng(0)
    assert engine.predict(rng.permutation(bag)).in_training  # in any order, and with other patches
    assert not engine.predict(bag[6:]).in_training
    assert not engine.predict(rng.standard_normal((50, DIM))).in_training
    assert engine.predict(bag[6:], provenance=Provenance(slide_digest="ab" * 16)).in_training


def test_members_are_probabilities_before_temperature_scaling(engine, toy, bag):
    with torch.inference_mode():
        logits = toy(torch.from_numpy(bag)[None])[2][:, 0].double()
    assert np.abs(engine.predict(bag).members - torch.softmax(logits, -1).numpy()).max() < 1e-6
