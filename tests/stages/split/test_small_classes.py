"""Classes with few patients are merged or dropped by name, never silently."""

from __future__ import annotations

import pandas as pd
import pytest

from oceanpath.artifacts.folds import BALANCE, read_fold, read_splits
from oceanpath.errors import ExperimentError
from oceanpath.stages.split.settings import SplitSettings

from .conftest import Bench, table

CLASSES = ("A", "B", "C", "D")


def four_classes() -> pd.DataFrame:
    """Patients of A and B, and two each of C and D."""
    frame = table()
    patient = frame["case_id"].str[1:].astype(int)
    return frame.assign(label=["C" if p < 2 else "D" if p < 4 else "AB"[p % 2] for p in patient])


def test_a_small_class_is_refused_with_its_count_and_two_ways_out(bench: Bench) -> None:
    with pytest.raises(ExperimentError) as caught:
        bench.go(four_classes(), classes=CLASSES)
    for words in ("class C", "2 patients for 5 folds", "split.merge", "split.drop"):
        assert words in str(caught.value)


def test_merged_classes_become_one(bench: Bench) -> None:
    out = bench.go(four_classes(), classes=CLASSES, folds=3, merge={"other": ("C", "D")})
    assert read_splits(out)["classes"] == ["A", "B", "other"]
    assert read_fold(out, 0)["label"].value_counts().to_dict() == {"A": 16, "B": 16, "other": 8}


def test_dropped_classes_are_listed_and_counted_in_the_flow(bench: Bench) -> None:
    out = bench.go(four_classes(), classes=CLASSES, drop=("C", "D"))
    splits = read_splits(out)
    assert splits["classes"] == ["A", "B"]
    assert len(splits["excluded"]["of a class that split.drop names"]) == 8
    assert splits["cohort_flow"]["excluded"] == {"of a class that split.drop names": 8}
    assert splits["cohort_flow"]["used"] == 32


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"drop": ("E",)}, "name E, which data.classes does not contain"),
        ({"drop": ("A",), "merge": {"x": ("A", "B")}}, "name A more than once"),
        ({"merge": {"A": ("B", "C")}}, "gives the name A, which another class has"),
        ({"drop": ("A", "B", "C")}, "fewer than two classes"),
        ({"merge": {"all": CLASSES}}, "fewer than two classes"),
    ],
)
def test_a_merge_that_makes_no_sense_is_refused(keys: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SplitSettings(classes=CLASSES, **keys)


def test_the_balance_counts_patients_of_every_value_in_every_role(bench: Bench) -> None:
    frame = table().assign(hospital=lambda f: ["x" if int(name[1:]) < 5 else "y" for name in f["case_id"]], sex="f")
    out = bench.go(frame, site="hospital", balance=("sex",))
    balance = pd.read_csv(out / BALANCE, dtype={"value": str})
    assert set(balance["column"]) == {"label", "hospital", "sex"}
    for number in range(5):
        own = balance[(balance["fold"] == number) & (balance["column"] == "hospital")]
        assert own.groupby("value")["patients"].sum().to_dict() == {"x": 5, "y": 15}
        assert own["slides"].sum() == 40
    assert (balance.groupby(["fold", "column"])["patients"].sum() == 20).all()


def test_a_missing_column_is_named_with_the_nearest(bench: Bench) -> None:
    with pytest.raises(ExperimentError, match=r"no column 'sex'.*Did you mean 'Sex'"):
        bench.go(table().assign(Sex="f"), stratify=("sex",))


def test_keys_that_the_scheme_does_not_read_are_reported(bench: Bench) -> None:
    keys = SplitSettings(scheme="kfold", repeats=3, folds=4)
    assert keys.unread_keys() == ["repeats"]
