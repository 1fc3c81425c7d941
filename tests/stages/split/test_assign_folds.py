"""How many patients each role gets, which class a patient counts for, and that folds stay what they are."""

from __future__ import annotations

import pandas as pd
import pytest

from oceanpath.errors import ExperimentError
from oceanpath.stages.split.settings import SplitSettings

from .conftest import assign_folds

CLASSES = ("NR", "R")


def cohort(**patients: int) -> pd.DataFrame:
    """One slide of each of so many patients of each class."""
    rows = [(f"{name}{i:02d}", name) for name, count in patients.items() for i in range(count)]
    frame = pd.DataFrame(rows, columns=["slide_id", "label"])
    return frame.assign(patient_id=frame["slide_id"])


def counts(frame: pd.DataFrame, **keys: object) -> list[dict[str, int]]:
    """Patients of class NR by role, fold by fold."""
    folds = assign_folds(frame, SplitSettings(classes=CLASSES, **keys))
    patients = [fold[fold["label"] == "NR"].groupby("role")["patient_id"].nunique() for fold in folds]
    return [{str(role): count for role, count in by_role.items()} for by_role in patients]


@pytest.mark.parametrize(("patients", "folds"), [(3, 3), (4, 2), (5, 4), (7, 7)])
def test_as_many_patients_as_are_needed_are_enough(patients: int, folds: int) -> None:
    for found in counts(cohort(NR=patients, R=20), folds=folds):
        assert sum(found.values()) == patients
        assert set(found) == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("patients", "keys", "said"),
    [
        (2, {"folds": 3}, "fewer patients than folds.*2 patients for 3 folds.*folds to 2 or less"),
        (1, {"folds": 3}, "fewer patients than folds.*1 patients for 3 folds.*folds to 2 or less"),
        (6, {"folds": 7}, "fewer patients than folds.*6 patients for 7 folds.*folds to 6 or less"),
        (2, {"folds": 2}, "too few patients to train, validate and test.*got 2"),  # one is tested, one is left
        (3, {"folds": 2}, "too few patients to train, validate and test.*got 3"),  # a fold tests two of them
        (2, {"scheme": "holdout"}, "too few patients to train, validate and test.*got 2"),
        (5, {"scheme": "holdout", "test_fraction": 0.8}, "too few patients to train, validate and test.*got 5"),
    ],
)
def test_one_patient_fewer_is_refused_with_the_class(patients: int, keys: dict[str, object], said: str) -> None:
    with pytest.raises(ExperimentError, match=rf"class NR.*{said}|{said}.*class NR"):
        counts(cohort(NR=patients, R=20), **keys)


def test_a_holdout_needs_no_more_patients_than_its_share_leaves() -> None:
    assert counts(cohort(NR=3, R=20), scheme="holdout") == [{"test": 1, "train": 1, "val": 1}]
    assert counts(cohort(NR=5, R=20), scheme="holdout", test_fraction=0.6) == [{"test": 3, "train": 1, "val": 1}]


@pytest.mark.parametrize(
    ("test", "val", "expected"),
    [
        (0.2, 0.2, {"test": 4, "val": 3, "train": 13}),  # 16 are left, 3.2 validate
        (0.01, 0.01, {"test": 1, "val": 1, "train": 18}),  # at least one
        (0.5, 0.99, {"test": 10, "val": 9, "train": 1}),  # never all
    ],
)
def test_a_share_is_rounded_and_neither_none_nor_all(test: float, val: float, expected: dict[str, int]) -> None:
    found = counts(cohort(NR=20, R=20), scheme="holdout", test_fraction=test, val_fraction=val)
    assert found == [expected]


def test_one_of_two_patients_that_are_left_trains() -> None:
    found = counts(cohort(NR=3, R=9), scheme="holdout", test_fraction=0.01, val_fraction=0.99)
    assert found == [{"test": 1, "val": 1, "train": 1}]


def test_folds_differ_by_one_patient_at_most_over_all_classes() -> None:
    """The first of five folds would be the largest of each class if every class began with it."""
    folds = assign_folds(cohort(NR=6, R=6, X=6), SplitSettings(classes=("NR", "R", "X"), folds=5))
    sizes = [int((fold["role"] == "test").sum()) for fold in folds]
    assert sorted(sizes) == [3, 3, 4, 4, 4]


def mixed(*labels: str) -> pd.DataFrame:
    """A patient P with slides of these labels, beside enough others."""
    others = cohort(NR=9, R=9)
    own = pd.DataFrame({"slide_id": [f"P{i}" for i in range(len(labels))], "label": labels, "patient_id": "P"})
    return pd.concat([others, own], ignore_index=True)


@pytest.mark.parametrize(
    ("labels", "counted"),
    [("NR", "NR"), ("R", "R"), ("NR R", "NR"), ("R NR", "NR"), ("R R NR", "R"), ("NR R NR R", "NR"), ("NR R R", "R")],
)
def test_a_patient_counts_for_the_class_of_most_of_its_slides_of_equals_the_first(labels: str, counted: str) -> None:
    """Nine folds of ten patients of the class that P counts for: only there two patients are tested at once."""
    frame = mixed(*labels.split())
    with pytest.raises(ExperimentError) as caught:
        assign_folds(frame, SplitSettings(classes=CLASSES, folds=10))
    assert f"class {'R' if counted == 'NR' else 'NR'}" in str(caught.value)  # the other class has nine only


def test_the_same_seed_gives_the_same_folds_for_ever() -> None:
    """Whoever changes this changes everybody's results: raise the version of the stage."""
    folds = assign_folds(cohort(NR=5, R=5), SplitSettings(classes=CLASSES, folds=3, seed=42))
    found = {
        role: [" ".join(sorted(fold.loc[fold["role"] == role, "slide_id"])) for fold in folds]
        for role in ("test", "val")
    }
    assert found == {
        "test": ["NR01 NR04 R00 R04", "NR00 NR02 R01", "NR03 R02 R03"],
        "val": ["NR02 R03", "NR01 R02", "NR01 R00"],
    }
