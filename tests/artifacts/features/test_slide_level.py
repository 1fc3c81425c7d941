"""Slide embeddings, one vector per file, in every container; patches and embeddings are never confused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from oceanpath.api.feature_files import as_slide
from oceanpath.artifacts.features.files import find_features, layout_of, read_features, scan_features
from oceanpath.artifacts.features.layouts import SLIDE
from oceanpath.artifacts.store.reader import Store, check
from oceanpath.errors import ArtifactError
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.serving.slide_inputs import find_inputs
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

VECTOR = np.arange(1, 9, dtype=np.float32)
Write = Callable[[Path, np.ndarray], Path]


def h5(path: Path, values: np.ndarray, libver: str | None = None, **storage: object) -> Path:
    """With the coordinates of the patches, as TRIDENT writes slide features."""
    path = path.with_suffix(".h5")
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("features", data=values, **storage)
        file["coords"] = np.zeros((5, 2), np.int32)
    return path


def chunked(path: Path, values: np.ndarray) -> Path:
    return h5(path, values, chunks=True, maxshape=(None,) * values.ndim, compression="gzip")


def by_library(path: Path, values: np.ndarray) -> Path:
    return h5(path, values, libver="latest", chunks=True, maxshape=(None,) * values.ndim)


def npy(path: Path, values: np.ndarray) -> Path:
    np.save(path.with_suffix(".npy"), values)
    return path.with_suffix(".npy")


def npz(path: Path, values: np.ndarray) -> Path:
    np.savez(path.with_suffix(".npz"), features=np.asfortranarray(values), coords=np.zeros((5, 2), np.int32))
    return path.with_suffix(".npz")


def pt(path: Path, values: np.ndarray) -> Path:
    torch.save({"features": torch.from_numpy(values), "coords": torch.zeros(5, 2)}, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


def zarr(path: Path, values: np.ndarray) -> Path:
    library = pytest.importorskip("zarr", reason="zarr (extra formats) is not installed")
    chunks = (*values.shape[:-1], 3)
    library.open_group(str(path.with_suffix(".zarr")), mode="w").create_array("features", data=values, chunks=chunks)
    return path.with_suffix(".zarr")


EVERY = pytest.mark.parametrize("write", [h5, chunked, by_library, npy, npz, pt, zarr], ids=lambda own: own.__name__)


@EVERY
@pytest.mark.parametrize("shape", [(8,), (1, 8), (1, 1, 8)], ids=str)
def test_an_embedding_is_one_row_without_coordinates(write: Write, shape: tuple[int, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "s", VECTOR.reshape(shape))
    features, coords = read_features(scan_features(path, level=SLIDE))
    assert features.dtype == np.float32 and np.array_equal(features, VECTOR[None]) and coords is None
    assert layout_of(path, level=SLIDE).n == 1


@EVERY
def test_each_level_refuses_the_other_and_names_it(write: Write, tmp_path: Path) -> None:
    vector, bag = write(tmp_path / "v", VECTOR), write(tmp_path / "b", np.ones((5, 8), np.float32))
    with pytest.raises(ArtifactError, match=r'wrong shape; expected \[N, D\].*got \[8\].*data\.level = "slide"'):
        scan_features(vector)
    with pytest.raises(
        ArtifactError, match=r'no slide embedding; expected \[D\] .*got \[5, 8\].*data\.level = "patch"'
    ):
        scan_features(bag, level=SLIDE)


def test_the_array_of_the_level_is_chosen_from_several(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["features"], file["slide/features"] = np.ones((5, 8), np.float32), VECTOR
    assert layout_of(tmp_path / "s.h5").features_key == "features"
    assert layout_of(tmp_path / "s.h5", level=SLIDE).features_key == "slide/features"


def test_the_slide_features_of_a_trident_job_are_read_from_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "job" / "20x_256px_0px_overlap" / "slide_features_titan"
    folder.mkdir(parents=True)
    chunked(folder / "a", VECTOR)
    assert list(find_features(folder)) == ["a"]


@pytest.mark.parametrize("mode", ["copy", "adopt"])
def test_a_store_of_embeddings_has_bags_of_one_row(mode: str, tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    for number, write in enumerate((h5, chunked, npy)):
        write(tmp_path / "features" / f"s{number}", VECTOR + number)
    settings = MmapSettings.model_validate(
        {"features": tmp_path / "features", "level": SLIDE, "mode": mode, "dtype": "float32"}
    )
    (tmp_path / "out").mkdir()
    summary = run(settings, Inputs(), tmp_path / "out", Quiet())
    check(tmp_path / "out")
    store = Store(tmp_path / "out", features=tmp_path / "features")
    assert summary.lines[0] == "3 slides, one embedding of 8 features per slide" and not store.has_coords
    assert np.array_equal(np.stack([store.features(i) for i in range(3)])[:, 0], VECTOR + np.arange(3)[:, None])


def test_inputs_of_a_prediction_are_read_at_the_level_of_the_model(tmp_path: Path) -> None:
    chunked(tmp_path / "s", VECTOR)
    (slide,) = find_inputs([tmp_path], level=SLIDE)
    assert np.array_equal(slide.read().array, VECTOR[None])
    assert as_slide(tmp_path / "s.h5", None, "", SLIDE).features.shape == (1, 8)
    assert as_slide(VECTOR, None, "", SLIDE).features.shape == (1, 8) and as_slide(VECTOR, None, "").features.ndim == 1
