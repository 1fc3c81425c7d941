"""`oceanpath.load_bundle`: the engine of the server in Python."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest

import oceanpath as op
from oceanpath.api import prediction
from oceanpath.errors import ExperimentError


def test_the_example_of_the_docstring(bundle_path: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "bundle").symlink_to(bundle_path)
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(prediction)
    assert tried >= 3 and not failed


def test_predictions_of_files_arrays_and_features_are_equal(bundle_path: Path, tmp_path: Path) -> None:
    model = op.load_bundle(bundle_path, threads=1)
    features = np.random.default_rng(0).standard_normal((9, model.facts.contract.feature_dim)).astype(np.float32)
    np.save(tmp_path / "S1.npy", features)
    read = op.read_features(tmp_path / "S1.npy")
    one, two, three = (model.predict(each) for each in (features, read, tmp_path / "S1.npy"))
    assert one.probabilities == two.probabilities == three.probabilities
    assert (one.slide_id, two.slide_id) == ("", "S1")
    assert "<td>feature length</td>" in read._repr_html_()
    assert "Prediction of S1" in two._repr_html_() and "S1" in repr(two) and "contract" in model._repr_html_()
    with pytest.raises(ExperimentError, match="no bundle in this folder"):
        op.load_bundle(tmp_path)
