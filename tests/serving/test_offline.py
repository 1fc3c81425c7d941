"""Predictions of many slides: sorted rows, the engine's numbers, failures that name the file and stop no others."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from oceanpath.errors import ArtifactError, ExperimentError, OceanPathError
from oceanpath.serving.engine import Engine
from oceanpath.serving.offline import find_bundle, predict_slides
from oceanpath.serving.slide_inputs import StoredSlide, find_inputs
from tests.conftest import write_store

DIM = 12


def predict_table(engine: Engine, paths: list[Path], *, members: bool = False) -> pd.DataFrame:
    """The table of slides, all of which can be predicted."""
    predicted = predict_slides(engine, find_inputs(paths), members=members)
    assert not predicted.failures
    return predicted.table


def write(path: Path, features: np.ndarray, encoder: str = "toy_encoder") -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["features"] = features
        file.attrs["encoder"] = encoder
    return features


def bag(seed: int, n: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float16)


def test_a_folder_gives_one_row_per_slide(engine, tmp_path):
    bags = {name: write(tmp_path / f"{name}.h5", bag(i, 5 + i)) for i, name in enumerate(["b", "a.12", "c"])}
    np.save(tmp_path / "d.npy", bag(7))
    frame = predict_table(engine, [tmp_path])
    leading = ["slide_id", "n_patches", "prob_NR", "prob_R", "predicted", "decision", "spread_prob_NR", "spread_prob_R"]
    assert list(frame.columns) == [*leading, "n_used", "in_training", "ood_score", "ood_flag", "notes"]
    assert frame["slide_id"].tolist() == ["a.12", "b", "c", "d"]
    for name, features in bags.items():
        row, wanted = frame[frame["slide_id"] == name].iloc[0], engine.predict(features)
        assert (row["prob_NR"], row["prob_R"]) == tuple(map(float, wanted.probabilities))
        assert (row["n_patches"], row["predicted"], row["decision"]) == (
            len(features),
            wanted.predicted,
            wanted.decision,
        )


def test_files_and_folders_mix_and_one_file_twice_is_one_row(engine, tmp_path):
    write(tmp_path / "in" / "a.h5", bag(1))
    write(tmp_path / "b.h5", bag(2))
    frame = predict_table(engine, [tmp_path / "in", tmp_path / "b.h5", tmp_path / "in" / "a.h5"])
    assert frame["slide_id"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("features", "encoder", "words"),
    [
        (bag(1)[:, :3], "toy_encoder", "wrong shape"),
        (bag(1), "uni_v1", "a different encoder"),
        (np.full((2, DIM), np.nan, np.float32), "toy_encoder", ""),
        (bag(1)[:0], "toy_encoder", "no patches"),
    ],
)
def test_a_failure_names_the_file_and_stops_no_other_slide(engine, tmp_path, features, encoder, words):
    write(tmp_path / "good.h5", bag(1))
    write(tmp_path / "odd.h5", features, encoder)
    write(tmp_path / "second.h5", bag(2))
    predicted = predict_slides(engine, find_inputs([tmp_path]))
    (failure,) = predicted.failures
    assert isinstance(failure, ArtifactError)
    assert re.search(rf"odd\.h5.*{words}", str(failure))
    (tmp_path / "odd.h5").unlink()
    pd.testing.assert_frame_equal(predicted.table, predict_table(engine, [tmp_path]))


def test_if_every_slide_fails_the_problems_are_the_error(engine, tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.h5", bag(1), "uni_v1")
    with pytest.raises(OceanPathError, match=r"(?s)2 problems.*a\.h5.*b\.h5"):
        predict_slides(engine, find_inputs([tmp_path]))


def test_the_spread_is_the_range_over_the_members(engine, tmp_path):
    write(tmp_path / "a.h5", bag(1))
    row = predict_table(engine, [tmp_path], members=True).iloc[0]
    values = [row["prob_R_fold0"], row["prob_R_fold1"]]
    assert row["spread_prob_R"] == pytest.approx(max(values) - min(values), abs=1e-7)
    assert row["spread_prob_R"] > 0


def test_a_store_gives_the_rows_of_its_feature_files(engine, tmp_path):
    bags = {name: bag(i, 5 + i).astype(np.float32) for i, name in enumerate(["a", "b"])}
    store = write_store(tmp_path / "store", bags, dtype="float32", encoder="toy_encoder")
    for name, features in bags.items():
        write(tmp_path / "features" / f"{name}.h5", features)
    stored = predict_table(engine, [store.path]).drop(columns="notes")
    pd.testing.assert_frame_equal(stored, predict_table(engine, [tmp_path / "features"]).drop(columns="notes"))
    assert all(isinstance(each, StoredSlide) for each in find_inputs([store.path]))
    with pytest.raises(ExperimentError, match="the same slide id"):
        find_inputs([store.path, tmp_path / "features"])


def test_a_store_of_another_encoder_is_refused(engine, tmp_path):
    store = write_store(tmp_path / "store", {"a": bag(1).astype(np.float32)}, dtype="float32", encoder="uni_v1")
    with pytest.raises(ArtifactError, match=r"store.*a different encoder"):
        predict_slides(engine, find_inputs([store.path]))


def test_two_files_of_one_slide_are_an_error(engine, tmp_path):
    write(tmp_path / "x" / "a.h5", bag(1))
    write(tmp_path / "y" / "a.h5", bag(2))
    with pytest.raises(ExperimentError, match="the same slide id"):
        predict_table(engine, [tmp_path / "x", tmp_path / "y"])


def test_nothing_to_predict_is_an_error(engine, tmp_path):
    with pytest.raises(ExperimentError, match="nothing to predict"):
        predict_table(engine, [])
    with pytest.raises(ArtifactError, match=r"gone\.h5"):
        predict_table(engine, [tmp_path / "gone.h5"])


def test_a_bundle_is_in_the_folder_or_its_export_folder(bundle_path, tmp_path):
    assert find_bundle(bundle_path) == bundle_path
    (tmp_path / "export").symlink_to(bundle_path)
    assert find_bundle(tmp_path) == tmp_path / "export"
    with pytest.raises(ExperimentError, match="no bundle"):
        find_bundle(bundle_path.parent / "nowhere")
