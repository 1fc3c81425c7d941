"""The folds of a seed are the same for ever, by every scheme, and the settings are those of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.split_files.base import SplitFile, SplitRow
from oceanpath.errors import ExperimentError
from oceanpath.stages.split.assign_folds import assigned_slides, choose_folds
from oceanpath.stages.split.balance import balance_table
from oceanpath.stages.split.filters import RowFilter
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies import custom
from oceanpath.stages.split.strategies.registry import SCHEME_KEYS, SCHEMES, strategy
from oceanpath.stages.split.strategies.site_preserved import assign_sites
from oceanpath.stages.split.work import _balance

from ...published_settings import check_keys, check_shared_keys, read_reference
from ...reference import check
from .conftest import assign_folds, patients

CLASSES = ("NR", "R")
OWNER = np.repeat(np.arange(40), 2)[: 40 * 2 - 5]
SLIDES = pd.DataFrame(
    {
        "slide_id": [f"s{k:03d}" for k in range(len(OWNER))],
        "patient_id": [f"p{p:02d}" for p in OWNER],
        "label": [CLASSES[p * 7 // 3 % 2] for p in OWNER],
    }
)
COLUMNS = pd.DataFrame(
    {
        "site": [f"site{p * 5 // 2 % 6}" for p in OWNER],
        "sex": ["fm"[(p + k % 2) % 2] if p % 9 == 0 else "fm"[p % 2] for k, p in enumerate(OWNER)],
    }
)


def keys(scheme: str, **more: Any) -> SplitSettings:
    return SplitSettings(classes=CLASSES, scheme=scheme, site="site", **more)


CASES: dict[str, SplitSettings] = {
    "kfold": keys("kfold", folds=4),
    "kfold by sex": keys("kfold", folds=4, stratify=("sex",)),
    "repeated_kfold": keys("repeated_kfold", folds=2, repeats=2),
    "holdout": keys("holdout", test_fraction=0.3),
    "mccv": keys("mccv", repeats=3, test_fraction=0.3),
    "nested": keys("nested", folds=2, inner_folds=2),
    "leave_one_site_out": keys("leave_one_site_out"),
    "small sites together": keys("leave_one_site_out", smallest_site=7),
    "few_shot": keys("few_shot", shots=3, repeats=3),
    "custom": keys("custom", test="site == 'site1'", val="site in ['site2', 'site3']"),
    "external cohort": keys("kfold", cohort="other"),
}


def test_they_are_the_same_for_ever() -> None:
    check("folds", numbers())


def numbers() -> dict[str, Any]:
    """Name → folds of fixed patients."""
    found: dict[str, Any] = {}
    for name, settings in CASES.items():
        known = patients(SLIDES, settings, COLUMNS)
        chosen, made = choose_folds(known, settings), assign_folds(SLIDES, settings, COLUMNS)
        found[name] = [
            {role: " ".join(sorted(own["patient_id"].unique())) for role, own in fold.groupby("role")} for fold in made
        ]
        found[f"plan of {name}"] = [[fold.repeat, fold.ensemble, fold.name, len(fold.left_out)] for fold in chosen]
        found[f"slides of {name}"] = len(assigned_slides(known, chosen))
    settings = keys("kfold", folds=2, balance=("sex",))
    table = balance_table(patients(SLIDES, settings, COLUMNS), assign_folds(SLIDES, settings, COLUMNS), settings)
    found["balance"] = [" ".join(map(str, row)) for row in table.itertuples(index=False)]
    return found


def test_keys_ranges_and_defaults_are_those_of_the_reference() -> None:
    check_keys(SplitSettings, read_reference()["properties"]["split"])
    check_shared_keys(SplitSettings)


def test_the_identity_of_the_defaults_is_the_same_for_ever() -> None:
    """A key that is added with its default must not make the folds of earlier experiments outdated."""
    assert SplitSettings().identity() == {
        "allow_missing": False,
        "classes": [],
        "distinct_ids": False,
        "encoding": "",
        "folds": 5,
        "label": "label",
        "match_ids": "",
        "one_slide_per_patient": False,
        "patient_id": "patient_id",
        "scheme": "kfold",
        "seed": 42,
        "sheet": "",
        "slide_id": "slide_id",
        "test_fraction": 0.2,
        "val_fraction": 0.2,
    }


def test_every_scheme_names_keys_of_the_settings_and_its_function() -> None:
    for name, entry in SCHEMES.items():
        assert set(entry.keys) <= set(SplitSettings.own_keys())
        assert strategy(name).__name__ == name
    assert {
        *("folds", "repeats", "test_fraction", "inner_folds", "smallest_site", "file", "test", "val", "shots")
    } == SCHEME_KEYS


@pytest.mark.parametrize("scheme", SCHEMES)
def test_keys_without_effect_are_those_that_the_scheme_does_not_read(scheme: str) -> None:
    values: dict[str, Any] = {"folds": 3, "repeats": 3, "test_fraction": 0.3}
    values |= {"inner_folds": 3, "smallest_site": 2, "shots": 4}
    values |= {"test": "a == 'b'", "val": "a == 'c'"} if scheme == "custom" else {}
    settings = SplitSettings(scheme=scheme, **values)
    assert set(settings.unread_keys()) == set(values) - set(SCHEMES[scheme].keys)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("site in 'AB'", "in and not in need a list"),
        ("site not in 'AB'", "in and not in need a list"),
        ("site < 'B'", "'B' is a text, which has no order"),
        ("site == other", "other is neither a text nor a number"),
        ("age == True", "True is neither a text nor a number"),
        ("age == [1]", r"\[1\] is neither a text nor a number"),
        ("1 < age < 3", "1 < age < 3 is no comparison of a column"),
        ("site is 'A'", "in and not in need a list"),
    ],
)
def test_a_filter_that_cannot_be_read_states_why(text: str, reason: str) -> None:
    with pytest.raises(ExperimentError, match=f"the filter cannot be read: {reason}"):
        RowFilter(text, "test")


def file_of(rows: list[tuple[str, str, str]], unit: str = "slide") -> SplitFile:
    """A split file of (slide or patient, fold, role)."""
    found = [SplitRow(fold=fold, name=name, role=role, repeat="") for name, fold, role in rows]
    return SplitFile(path="f.csv", form="a table", unit=unit, rows=found)  # type: ignore[arg-type]  # a made-up file


def test_slides_of_no_patient_have_no_owner_unless_all_ids_begin_with_patients() -> None:
    folds: Any = {("", "0"): {"p1-b": {"train"}, "p12": {"train"}, "x": {"test"}}}
    assert custom._owners_by_prefix(folds, {"p1-a": "p1", "p12-a": "p12"}) == {"p1-b": "p1", "p12": "p12"}
    assert custom._owners_by_prefix(folds, {"p1-a": "p1", "other": "p12"}) == {}


def test_a_fold_that_tests_nothing_is_named() -> None:
    folds: Any = {("", "0"): {"a": {"train"}, "b": {"test"}}, ("1", "1"): {"a": {"train"}, "b": {"val"}}}
    (problem,) = custom._problems_of_folds(folds, {}, file_of([]))
    assert isinstance(problem, ExperimentError)
    assert "nothing is tested" in problem.render() and "f.csv fold 1 of repeat 1" in problem.render()


@pytest.mark.parametrize(("repeats", "expected"), [(["", ""], [0, 0]), (["b", "a"], [1, 0])])
def test_folds_of_one_repeat_with_separate_test_sets_belong_together(repeats: list[str], expected: list[int]) -> None:
    folds: Any = {(repeats[0], "0"): {"a": {"test"}}, (repeats[1], "1"): {"b": {"test"}}}
    assert list(custom._repeats(folds).values()) == expected
    same: Any = {("", "0"): {"a": {"test"}}, ("", "1"): {"a": {"test"}}}
    assert list(custom._repeats(same).values()) == [0, 1]


def test_the_balance_of_a_fold_counts_slides_and_patients_by_role_and_class() -> None:
    settings = keys("kfold", folds=2)
    folds = assign_folds(SLIDES, settings, COLUMNS)
    found = _balance(folds, settings.target())
    assert len(found) == 2
    for table, fold in zip(found, folds, strict=True):
        for role in ("train", "val", "test"):
            for name in CLASSES:
                own = fold[(fold["role"] == role) & (fold["label"] == name)]
                assert table[role][name] == {"slides": len(own), "patients": own["patient_id"].nunique()}


def test_a_stratum_without_patients_does_not_prevent_an_assignment_of_sites() -> None:
    counts = np.array([[4, 1], [4, 1], [4, 1], [4, 1]])
    found = assign_sites(counts, 2)
    assert found is not None and sorted(found) == [0, 0, 1, 1]
    assert found[0] == 0, "the first site is in the first fold"
