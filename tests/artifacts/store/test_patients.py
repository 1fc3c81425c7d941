"""Bags of patients are the concatenated bags of their slides, whose coordinates never meet."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oceanpath.artifacts.patch_spacing import spacing_of
from oceanpath.artifacts.patient_bags import (
    FILE,
    GAP_STEPS,
    LARGEST,
    UNKNOWN_STEP,
    one_row_per_patient,
    one_row_per_slide,
    read_patient_bags,
    slide_shifts,
    write_patient_bags,
)
from oceanpath.artifacts.store.patients import PatientStore, bags_of, open_bags, slides_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.artifacts.tables import write_table
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.cap import sample_rows
from oceanpath.bags.dataset import BagDataset, collate
from oceanpath.bags.packed import PackedLoader
from oceanpath.bags.resident import GatherLoader, ResidentStore
from oceanpath.errors import ArtifactError

from ...conftest import write_store

BAGS = {"one": ("a",), "five": ("b", "d", "e", "g", "h"), "two": ("c", "f")}
LENGTHS = {"a": 3, "b": 7, "c": 4, "d": 1, "e": 12, "f": 9, "g": 2, "h": 5}


def make(folder: Path, dtype: str = "float16") -> PatientStore:
    random = np.random.default_rng(0)
    bags = {name: random.normal(size=(n, 6)) for name, n in LENGTHS.items()}
    cells = {name: 256 * random.permutation(40)[:n, None] // [1, 8] for name, n in LENGTHS.items()}
    coords = {name: (own // 256 % [8, 5] * 256 + 700).astype(np.int32) for name, own in cells.items()}
    return PatientStore(write_store(folder, bags, coords, dtype), BAGS)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_union_is_the_concatenation_of_one_two_and_five_slides(tmp_path: Path, dtype: str) -> None:
    store = make(tmp_path, dtype)
    assert store.slide_ids == ["five", "one", "two"]
    for number, name in enumerate(store.slide_ids):
        slides = [store.slides.number(slide) for slide in BAGS[name]]
        stored = np.concatenate([store.slides.stored(slide) for slide in slides])
        assert store.length(number) == len(stored) == store.index.raw_lengths[number]
        assert (store.stored(number) == stored).all()
        assert (store.features(number) == np.concatenate([store.slides.features(slide) for slide in slides])).all()
        rows = np.arange(len(stored))[:: 2 if len(stored) > 3 else 1]
        taken = np.empty((len(rows), store.dim), store.dtype)
        store.take(number, rows, taken)
        assert (taken == stored[rows]).all()
        row = store.dim * store.dtype.itemsize
        for first in range(len(stored)):
            out = np.empty((len(stored) - first, store.dim), store.dtype)
            store.read_features(number, out.data.cast("B"), first * row)
            assert (out == stored[first:]).all()
    with pytest.raises(ArtifactError, match="no such slide"):
        PatientStore(store.slides, {"one": ("unknown",)})


def test_the_bag_of_a_patient_with_one_slide_is_the_mapped_bag_of_the_slide(tmp_path: Path) -> None:
    store = make(tmp_path)
    number, slide = store.number("one"), store.slides.number("a")
    assert np.shares_memory(store.stored(number), store.slides.stored(slide))
    coords, own = store.coords(number), store.slides.coords(slide)
    assert coords is not None and own is not None
    assert np.shares_memory(coords, own)
    assert store.index.digests[number] == store.slides.index.digests[slide]
    assert store.digest(store.number("two")) == store.index.digests[store.number("two")].decode()


@pytest.mark.parametrize("cap", [None, 6])
def test_every_loader_gives_the_same_batches(tmp_path: Path, cap: int | None) -> None:
    store = make(tmp_path)
    dataset = BagDataset(store, [2, 0, 1], [0.0, 1.0, 0.0], cap, seed=5)
    draws = [[Draw(0, 1), Draw(1, 1)], [Draw(2, 3)]]
    resident = ResidentStore(store)
    loaders = {
        "packed": PackedLoader(dataset, draws),
        "memory": PackedLoader(BagDataset(resident, [2, 0, 1], [0.0, 1.0, 0.0], cap, seed=5), draws),
        "gathered": GatherLoader(BagDataset(resident, [2, 0, 1], [0.0, 1.0, 0.0], cap, seed=5), resident, draws),
        "pickled": PackedLoader(pickle.loads(pickle.dumps(dataset)), draws),
    }
    wanted = [collate([dataset[draw] for draw in batch]) for batch in draws]
    for name, loader in loaders.items():
        for ours, theirs in zip(loader, wanted, strict=True):
            assert ours.slide_ids == theirs.slide_ids, name
            assert torch.equal(ours.features, theirs.features), name
            assert ours.coords is not None and theirs.coords is not None
            assert torch.equal(ours.coords, theirs.coords), name


def test_the_cap_samples_from_the_union_by_the_patient(tmp_path: Path) -> None:
    store = make(tmp_path)
    number = store.number("five")
    bag = BagDataset(store, [number], max_patches=10, seed=3)[Draw(0, 2)]
    rows = sample_rows(store.length(number), 10, 3, 2, "five")
    coords = store.coords(number)
    assert coords is not None and bag.coords is not None
    assert (bag.features == store.features(number)[rows]).all()
    assert (bag.coords == coords[rows]).all()


CELLS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=20, unique=True)


@given(st.lists(CELLS, min_size=2, max_size=5), st.integers(1, 600), st.data())
def test_slides_on_one_grid_stay_on_it_and_are_far_apart(slides, step, data) -> None:
    corners = data.draw(arrays(np.int64, (len(slides), 2), elements=st.integers(0, 100_000)))
    own = [(np.array(cells) * step + corner).astype(np.int32) for cells, corner in zip(slides, corners, strict=True)]
    shifts = slide_shifts(own)
    placed = [coords + shift for coords, shift in zip(own, shifts, strict=True)]
    assert (shifts[0] == 0).all()
    assert all(coords.dtype == np.int32 for coords in placed)
    far = max(spacing_of(coords) for coords in own)
    far = GAP_STEPS * (far if far > 1 else UNKNOWN_STEP)
    for left, right in pairwise(placed):
        assert right[:, 0].min() - left[:, 0].max() == far
        assert right[:, 1].min() == left[:, 1].min()
    if far % step == 0:
        union = np.concatenate(placed).astype(np.int64)
        assert ((union - union[0]) % step == 0).all()


def test_slides_that_are_too_wide_together_are_refused() -> None:
    wide = np.array([[0, 0], [LARGEST // 2, 0], [LARGEST // 2 + 256, 256]], np.int32)
    with pytest.raises(ArtifactError, match=r"P7: the slides of a patient are too wide"):
        slide_shifts([wide, wide], where="P7")
    assert (slide_shifts([wide]) == 0).all()


def test_without_coordinates_there_are_none(tmp_path: Path) -> None:
    store = PatientStore(write_store(tmp_path, {name: np.ones((n, 2)) for name, n in LENGTHS.items()}), BAGS)
    assert store.coords(0) is None and not store.has_coords


def test_the_folder_of_the_folds_decides_what_a_bag_is(tmp_path: Path) -> None:
    slides = make(tmp_path / "store").slides
    assert type(open_bags(slides.path, tmp_path)) is Store
    rows = pd.DataFrame(
        [(name, slide) for name, own in BAGS.items() for slide in own], columns=["patient_id", "slide_id"]
    )
    write_patient_bags(pd.concat([rows, rows]), tmp_path)
    opened = open_bags(slides.path, tmp_path)
    assert read_patient_bags(tmp_path) == dict(sorted(BAGS.items())) == bags_of(opened)
    assert slides_of(opened).path == slides.path
    patients = one_row_per_patient(rows.assign(label="x"))
    assert patients["slide_id"].tolist() == patients["patient_id"].tolist() == ["five", "one", "two"]
    back = one_row_per_slide(patients, BAGS)
    assert sorted(zip(back["patient_id"], back["slide_id"], strict=True)) == sorted(
        zip(rows["patient_id"], rows["slide_id"], strict=True)
    )
    write_table(pd.DataFrame({"patient_id": ["p", "q"], "slide_id": ["a", "a"]}), tmp_path / FILE)
    with pytest.raises(ArtifactError, match="not valid"):
        read_patient_bags(tmp_path)
