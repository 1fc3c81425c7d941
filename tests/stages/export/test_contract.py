"""What a bundle says of the features it takes: coordinates, cap, precision, and how patches were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.bundle.facts import Contract
from oceanpath.artifacts.features.files import FeatureMeta, write_features
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.cap import Cap
from oceanpath.errors import StageError
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.export.contract import describe_contract
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.extract.settings import ExtractSettings

from ...conftest import write_store

META = FeatureMeta(
    encoder="toy_encoder",
    feature_dim=4,
    patch_px=224,
    target_mpp=0.25,
    mpp_x=0.25,
    mpp_y=0.25,
    mpp_source="override",
    patch_px_level0=224.0,
    level0_width=1000,
    level0_height=1000,
    slide_digest="0",
    tool_version="0",
    weights_sha256="ab12",
)


def test_bags_of_one_row_are_stated_as_slide_embeddings(tmp_path: Path) -> None:
    own = store(tmp_path / "s")
    states = [
        describe_contract(own, ExportSettings(level=level), Inputs(), reads_coords=False).slide_level
        for level in ("patch", "slide")
    ]
    assert states == [False, True]


def store(path: Path, *, coords: bool = True, cut: bool = False, dtype: str = "float16") -> Store:
    bags = {"a": np.ones((3, 4)), "b": np.ones((5, 4))}
    told = {"raw_lengths": np.array([3, 9])} if cut else {}
    return write_store(path, bags, coords, dtype, "toy_encoder", **told)


def contract(
    found: Store, *, reads_coords: bool = False, extract_folder: Path | None = None, **settings: object
) -> Contract:
    inputs = Inputs({} if extract_folder is None else {"extract": extract_folder})
    return describe_contract(found, ExportSettings(**settings), inputs, reads_coords=reads_coords)


@pytest.mark.parametrize(
    ("coords", "reads", "strategy", "wanted"),
    [
        (True, True, None, "required"),
        (True, True, "random", "required"),
        (True, False, "spatial_stratified", "optional"),
        (True, False, "random", "unused"),
        (True, False, None, "unused"),
        (False, True, None, "unused"),  # the evaluation had none
        (False, True, "spatial_stratified", "unused"),
    ],
)
def test_coordinates_are_asked_for_where_the_evaluation_read_them(tmp_path, coords, reads, strategy, wanted):
    cap = {} if strategy is None else {"max_instances": 5, "cap_strategy": strategy}
    assert contract(store(tmp_path, coords=coords), reads_coords=reads, **cap).coords == wanted


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_precision_is_that_of_the_store(make_dtype_store, dtype):
    assert contract(make_dtype_store(dtype)).dtype == dtype


@pytest.fixture
def make_dtype_store(tmp_path):
    def make(dtype: str) -> Store:
        if dtype != "bfloat16":
            return store(tmp_path, dtype=dtype)
        found = store(tmp_path, dtype="float16")
        object.__setattr__(found.index, "feature_dtype", "bfloat16")
        return found

    return make


def test_the_cap_is_told_whole(tmp_path):
    cap = contract(store(tmp_path), max_instances=5, cap_grid=7, seed=3).cap
    assert cap is not None
    assert (cap.max_patches, cap.strategy, cap.grid, cap.seed) == (5, "spatial_stratified", 7, 3)
    assert cap.golden_rows == Cap(5, "spatial_stratified", 7, 3).golden_rows()
    assert contract(store(tmp_path / "more", cut=False)).cap is None


def test_bags_without_coordinates_are_cut_at_random_whatever_was_asked_for(tmp_path):
    cap = contract(store(tmp_path, coords=False), max_instances=5).cap
    assert cap is not None
    assert cap.strategy == "random"


def test_a_store_that_was_cut_in_an_unknown_way_is_not_exported(tmp_path):
    with pytest.raises(StageError, match=r"mmap\.max_instances is not set"):
        contract(store(tmp_path, cut=True))


def test_how_patches_were_made_comes_from_the_extraction(tmp_path):
    write_features(tmp_path / "a.h5", np.zeros((2, 4), np.float16), np.zeros((2, 2), np.int32), META)
    made = ExtractSettings(encoder="hed_stats", patch_px=224, overlap=56, exclude=("patient_7",), weights=Path("w.pt"))
    found = contract(store(tmp_path / "store"), extract_folder=tmp_path, extract=made)
    assert (found.patch_px, found.target_mpp, found.stride_px, found.weights_sha256) == (224, 0.25, 168, "ab12")
    assert found.given == ("weights",)
    assert found.extraction is not None
    assert (found.extraction["encoder"], found.extraction["overlap"]) == ("hed_stats", 56)
    assert "patient_7" not in str(found.extraction)
    assert not {"exclude", "shard"} & found.extraction.keys(), "they select slides of a cohort"


@pytest.mark.parametrize("name", ["tissue", "coords", "weights"])
def test_files_that_a_new_slide_needs_are_listed(tmp_path, name):
    write_features(tmp_path / "a.h5", np.zeros((2, 4), np.float16), np.zeros((2, 2), np.int32), META)
    made = ExtractSettings.model_validate({"encoder": "hed_stats", "patch_px": 224, name: Path("given")})
    assert contract(store(tmp_path / "store"), extract_folder=tmp_path, extract=made).given == (name,)


def test_features_of_another_tool_have_no_extraction(tmp_path):
    found = contract(store(tmp_path))
    assert (found.extraction, found.patch_px, found.target_mpp, found.stride_px) == (None, None, None, None)


def test_the_sides_of_patches_are_those_of_the_store(tmp_path):
    sides = write_store(
        tmp_path, {"a": np.ones((2, 4)), "b": np.ones((2, 4))}, patch_px_level0=np.array([256.0, 512.0])
    )
    assert contract(sides).patch_px_level0 == (256.0, 512.0)
    assert contract(store(tmp_path / "more")).patch_px_level0 is None


def test_an_extraction_is_described_only_with_its_settings_and_its_files(tmp_path):
    write_features(tmp_path / "a.h5", np.zeros((2, 4), np.float16), np.zeros((2, 2), np.int32), META)
    made = ExtractSettings(encoder="hed_stats", patch_px=224)
    for number, parts in enumerate(({"extract_folder": tmp_path}, {"extract": made})):
        assert contract(store(tmp_path / f"store{number}"), **parts).extraction is None


def test_an_uncapped_store_may_be_larger_than_the_cap_and_a_capped_one_states_where(tmp_path):
    found = store(tmp_path, cut=True)
    assert contract(found, max_instances=5).cap is not None
    with pytest.raises(StageError) as caught:
        contract(found)
    assert str(tmp_path) in caught.value.render() and "Set mmap.max_instances" in caught.value.render()
