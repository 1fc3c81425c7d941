"""`predict_table`: sorted rows, the engine's predictions, errors that name the file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.serving.offline import find_bundle, predict_table

DIM = 12


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
    leading = ["slide_id", "n_patches", "prob_NR", "prob_R", "predicted", "decision"]
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
def test_an_error_names_the_file(engine, tmp_path, features, encoder, words):
    write(tmp_path / "good.h5", bag(1))
    write(tmp_path / "odd.h5", features, encoder)
    with pytest.raises(ArtifactError, match=rf"odd\.h5.*{words}"):
        predict_table(engine, [tmp_path])


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
