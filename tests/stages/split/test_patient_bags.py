"""Folds of patients are the folds of their slides, and slides of a patient must agree."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from oceanpath.artifacts.folds import read_fold, read_splits
from oceanpath.artifacts.patient_bags import one_row_per_slide, read_patient_bags
from oceanpath.artifacts.sites import read_sites
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import ParentSources
from oceanpath.stages.split.preflight import preflight
from oceanpath.stages.split.settings import SplitSettings

from .conftest import Bench, table


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(
    "keys", [{}, {"scheme": "repeated_kfold", "repeats": 2}, {"scheme": "nested"}, {"site": "hospital"}], ids=str
)
def test_the_folds_are_those_of_slides(bench: Bench, keys: dict[str, object]) -> None:
    cohort = table().assign(hospital=[f"h{row // 2 % 3}" for row in range(40)])
    slides, patients = (bench.go(cohort, None, bag=bag, **keys) for bag in ("slide", "patient"))
    bags, splits = read_patient_bags(patients), read_splits(patients)
    assert splits.pop("bag") == "patient"
    assert splits == read_splits(slides)
    assert len(bags) == 20 and {len(own) for own in bags.values()} == {2}
    for number in range(splits["folds"]):
        fold, own = read_fold(slides, number), read_fold(patients, number)
        assert own["slide_id"].tolist() == own["patient_id"].tolist() == sorted(set(fold["patient_id"]))
        expanded = one_row_per_slide(own, bags).sort_values("slide_id", ignore_index=True)
        pd.testing.assert_frame_equal(expanded, fold, check_dtype=False)
    assert (slides / "balance.csv").read_bytes() == (patients / "balance.csv").read_bytes()
    sites = read_sites(patients)
    assert (sites is None) == (read_sites(slides) is None)
    if sites is not None:
        assert sites["slide_id"].tolist() == sorted(bags)


def test_patients_with_different_labels_are_refused_by_name(bench: Bench) -> None:
    cohort = table()
    cohort.loc[[2, 9], "label"] = ["NR", "R"]
    bench.go(cohort, bag="slide")
    with pytest.raises(ExperimentError) as caught:
        bench.go(cohort, bag="patient")
    text = caught.value.render()
    assert "slides of one patient have different labels" in text and "got 2 of 20 patients" in text
    assert "p01 (NR and R)" in text and "p04 (NR and R)" in text


def test_the_disagreement_is_reported_before_any_work(tmp_path: Path) -> None:
    cohort = table()
    cohort.loc[2, "label"] = "NR"
    cohort.to_csv(tmp_path / "cohort.csv", index=False)
    keys = {"labels": tmp_path / "cohort.csv", "patient_id": "case_id", "classes": ("NR", "R")}
    assert not preflight(SplitSettings(**keys), ParentSources()).problems
    problems = preflight(SplitSettings(**keys, bag="patient"), ParentSources()).problems
    assert ["p01 (NR and R)" in problem.render() for problem in problems] == [True]


def test_a_split_file_never_divides_a_patient(bench: Bench, tmp_path: Path) -> None:
    cohort = table()
    names = cohort["slide_id"].str.removesuffix(".svs")
    role = ["test" if row < 16 else "val" if row < 24 else "train" for row in range(40)]
    listed = pd.DataFrame({"slide_id": names, "fold": 0, "role": role})
    listed.to_csv(tmp_path / "whole.csv", index=False)
    own = read_fold(bench.go(cohort, scheme="custom", bag="patient", file=tmp_path / "whole.csv"), 0)
    assert own["role"].value_counts().to_dict() == {"test": 8, "val": 4, "train": 8}
    listed.drop(index=[0, 39]).to_csv(tmp_path / "parts.csv", index=False)
    with pytest.raises(ExperimentError, match=r"got 2 of 20 patients: p00, p19"):
        bench.go(cohort, scheme="custom", bag="patient", file=tmp_path / "parts.csv", allow_missing=True)


def test_the_default_changes_no_identity() -> None:
    assert "bag" not in SplitSettings().identity()
    assert SplitSettings(bag="patient").identity()["bag"] == "patient"
