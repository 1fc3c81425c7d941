"""The bundle: what is sealed is read back, and no changed byte goes unnoticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.bundle import folder as bundle
from oceanpath.artifacts.bundle.folder import BundleFacts
from oceanpath.artifacts.bundle.training_slides import TrainingSlides
from oceanpath.errors import ArtifactError

CASE: dict[str, Any] = {"format": "onnx", "batch": 1, "patches": 1, "difference": 1e-6}
STORED: dict[str, Any] = {"rows": 60, "total": 60, "differences": {"onnx": 1e-6}}


def facts(**changed: Any) -> BundleFacts:
    estimate = {"value": None, "reason": "one class only"}
    plain: dict[str, Any] = {
        "name": "ABMIL für Gewebe",
        "model": {"name": "abmil", "hidden": 512},
        "classes": ["NR", "R"],
        "contract": {"encoder": "", "feature_dim": 4},
        "members": [{"fold": 0, "n_val": 30, "temperature": 1.25, "raw_threshold": 0.5, "threshold": 0.5}],
        "calibration": {"method": "temperature", "served": "a", "reported": "b"},
        "threshold": {"value": 0.5, "positive": "R", "reason": "mean"},
        "performance": {
            "meaning": "out of fold",
            "selected": False,
            "slide": {"auroc": estimate},
            "patient": {},
            "floor_auroc": {},
        },
        "cohort": {
            "slides": 2,
            "patients": 2,
            "slides_per_class": {"NR": 1, "R": 1},
            "patches_median": 3,
            "patches_max": 4,
        },
        "parity": {
            "tolerance": 1e-5,
            "worst": 1e-6,
            "cases": [CASE],
            "stored": STORED,
        },
        "golden": {"patches": 3, "probabilities": [0.25, 0.75]},
        "opset": 20,
    }
    return BundleFacts.model_validate(plain | changed)


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    (tmp_path / bundle.ONNX).write_bytes(b"onnx bytes")
    (tmp_path / bundle.TORCHSCRIPT).write_bytes(b"torchscript bytes")
    (tmp_path / bundle.CARD).write_text("# card\n")
    (tmp_path / bundle.TRAINING).write_bytes(TrainingSlides.of([np.ones((5, 4), np.float16)], ["ab" * 16]).render())
    bundle.seal(tmp_path, facts())
    return tmp_path


def test_read_gives_what_was_sealed(sealed):
    found = bundle.read_bundle(sealed)
    assert found.onnx == b"onnx bytes"
    assert found.facts.model_copy(update={"files": {}, "seal": ""}) == facts()
    assert set(found.facts.files) == {bundle.ONNX, bundle.TORCHSCRIPT, bundle.TRAINING, bundle.CARD}
    assert found.training.contains(np.ones((9, 4), np.float16))
    assert found.facts.digest == found.facts.files[bundle.ONNX]
    bundle.check(sealed)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_bit_anywhere_is_found(sealed, data):
    path = data.draw(st.sampled_from(sorted(sealed.iterdir())))
    original = path.read_bytes()
    place = data.draw(st.integers(0, 8 * len(original) - 1))
    changed = bytearray(original)
    changed[place // 8] ^= 1 << place % 8
    path.write_bytes(changed)
    try:
        with pytest.raises(ArtifactError):
            bundle.read_bundle(sealed)
    finally:
        path.write_bytes(original)


def test_sealing_twice_gives_the_same_bytes(sealed):
    before = (sealed / bundle.FACTS).read_bytes()
    bundle.seal(sealed, facts())
    assert (sealed / bundle.FACTS).read_bytes() == before


@pytest.mark.parametrize("name", [bundle.ONNX, bundle.TORCHSCRIPT, bundle.TRAINING, bundle.CARD, bundle.FACTS])
def test_a_missing_file_is_named(sealed, name):
    (sealed / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        bundle.read_bundle(sealed)


def test_a_bundle_without_its_model_cannot_be_sealed(tmp_path):
    (tmp_path / bundle.CARD).write_text("# card\n")
    with pytest.raises(ArtifactError, match=r"without model\.onnx"):
        bundle.seal(tmp_path, facts())


@pytest.mark.parametrize(
    "changed",
    [
        {"parity": {"tolerance": 1e-7, "worst": 1e-6, "cases": [CASE], "stored": STORED}},
        {"parity": {"tolerance": 1e-5, "worst": 0.0, "cases": [], "stored": STORED}},
        {"parity": {"tolerance": 1e-5, "worst": 0.0, "cases": [CASE], "stored": STORED | {"rows": 0}}},
        {
            "parity": {
                "tolerance": 1e-5,
                "worst": 0.0,
                "cases": [CASE],
                "stored": STORED | {"differences": {"onnx": 1e-3}},
            }
        },
        {"golden": {"patches": 3, "probabilities": [1.0]}},
        {
            "cohort": {
                "slides": 2,
                "patients": 2,
                "slides_per_class": {"NR": 2},
                "patches_median": 3,
                "patches_max": 4,
            }
        },
    ],
)
def test_facts_that_disagree_fail_the_check(sealed, changed):
    bundle.seal(sealed, facts(**changed))
    with pytest.raises(ArtifactError):
        bundle.check(sealed)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "[" * 100_000, '{"name": NaN}'])
def test_what_is_no_bundle_is_an_artifact_error(sealed, text):
    (sealed / bundle.FACTS).write_text(text)
    with pytest.raises(ArtifactError, match=r"bundle\.json"):
        bundle.read_facts(sealed)


def test_an_older_bundle_says_that_it_is_to_be_exported_again(sealed):
    held = json.loads((sealed / bundle.FACTS).read_text())
    (sealed / bundle.FACTS).write_text(json.dumps(held | {"format": 1}))
    with pytest.raises(ArtifactError, match=r"expected 2, got 1\. Export the model again: `oceanpath export"):
        bundle.read_bundle(sealed)


def test_files_elsewhere_cannot_be_asked_for(sealed):
    written = bundle.read_facts(sealed)
    files = {**written.files, "../other": written.digest}
    bundle.write_facts(sealed, written.model_copy(update={"files": files}))
    with pytest.raises(ArtifactError, match="unexpected files"):
        bundle.read_bundle(sealed)


def test_numbers_that_are_not_finite_are_no_facts():
    with pytest.raises(ValueError, match="finite"):
        facts(threshold={"value": float("inf"), "positive": "R", "reason": ""})


@settings(deadline=None, max_examples=20)
@given(patches=st.integers(1, 40), dim=st.integers(1, 40))
def test_a_golden_bag_is_the_start_of_a_longer_one(patches, dim):
    bag = bundle.golden_bag(patches, dim)
    assert bag.shape == (patches, dim)
    assert bag.dtype == np.float32
    assert np.array_equal(bag, bundle.golden_bag(patches + 3, dim)[:patches])


def test_a_golden_bag_looks_like_features():
    bag = bundle.golden_bag(500, 64)
    assert abs(bag.mean()) < 0.02
    assert abs(bag.std() - 1) < 0.02
    assert len(np.unique(bag, axis=0)) == 500
    # Known numbers: the bag must be the same wherever a bundle is opened.
    assert bag[0, :3].tolist() == KNOWN.tolist()


KNOWN = np.asarray([1.4286195039749146, 0.13914866745471954, -1.4532248973846436], np.float32)
