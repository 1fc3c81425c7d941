"""Patients are never divided, and nothing vanishes in the join."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.folds import check_fold, read_fold, read_splits
from oceanpath.artifacts.left_out import LeftOut, write_left_out
from oceanpath.artifacts.store.blank_slides import write_blank
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import Inputs, ParentSources, Preview, Quiet
from oceanpath.stages.split.assign_folds import with_roles
from oceanpath.stages.split.preflight import preflight
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold
from oceanpath.stages.split.work import run
from oceanpath.stages.tables import Expected

from .conftest import Bench, assign_folds, patients, store_of, table


def test_blank_slides_are_no_mistake_of_the_table(bench: Bench, tmp_path: Path) -> None:
    names = [name.removesuffix(".svs") for name in table()["slide_id"]]
    with pytest.raises(ExperimentError, match="2 in the table, without features"):
        bench.go(table(), names[2:])
    store = store_of(names[2:], tmp_path / "with_blank")
    write_blank(store, names[:2])
    table().to_csv(tmp_path / "c.csv", index=False)
    (tmp_path / "folds").mkdir()
    keys = SplitSettings(labels=tmp_path / "c.csv", patient_id="case_id", classes=("NR", "R"))
    run(keys, Inputs(parents={"mmap": store}), tmp_path / "folds", Quiet())
    assert read_splits(tmp_path / "folds")["excluded"] == {"blank, without a patch": names[:2]}


class Notes(Quiet):
    """Keeps what a stage says while it works."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def test_the_summary_counts_and_the_labels_of_a_demo_are_its_table(tmp_path: Path) -> None:
    names = [name.removesuffix(".svs") for name in table()["slide_id"]]
    store = store_of([*names, "extra"], tmp_path / "store")
    for name in ("demo", "out"):
        (tmp_path / name).mkdir()
    table().to_csv(tmp_path / "demo" / "cohort.csv", index=False)
    settings = SplitSettings(patient_id="case_id", classes=("NR", "R"), allow_missing=True)
    progress = Notes()
    summary = run(settings, Inputs({"mmap": store, "demo": tmp_path / "demo"}), tmp_path / "out", progress)
    assert summary.metrics == {"slides": 40, "patients": 20, "folds": 5}
    assert summary.lines[0] == "40 slides of 20 patients (NR 20, R 20) in 5 kfold folds"
    assert summary.lines[1].startswith("left out, ") and summary.lines[1].endswith(": 1 (extra)")
    (note,) = progress.said
    assert note.startswith("1 slides left out")


def test_each_slide_is_tested_once_and_every_role_has_every_class(bench: Bench) -> None:
    out = bench.go(table())
    splits = read_splits(out)
    assert (splits["folds"], splits["slides"], splits["patients"]) == (5, 40, 20)
    for balance in splits["balance"]:
        for role in ("train", "val", "test"):
            assert balance[role]["NR"]["patients"] > 0
            assert balance[role]["R"]["patients"] > 0


def test_row_order_and_file_suffixes_do_not_matter(bench: Bench) -> None:
    one = bench.go(table())
    frame = table().sample(frac=1, random_state=0)
    frame["slide_id"] = frame["slide_id"].str.removesuffix(".svs")
    two = bench.go(frame)
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


def test_another_seed_gives_other_folds(bench: Bench) -> None:
    one, two = bench.go(table()), bench.go(table(), seed=1)
    assert not read_fold(one, 0)["role"].equals(read_fold(two, 0)["role"])


def test_the_validation_draw_has_a_stream_of_its_own() -> None:
    """The first fold's validation patients once were those that the generator of the test draw gives."""
    frame = table(patients=400, slides=1).rename(columns={"case_id": "patient_id"})
    settings = SplitSettings(classes=("NR", "R"), scheme="holdout", test_fraction=0.5, val_fraction=0.4)
    role = assign_folds(frame, settings)[0].set_index("patient_id")["role"]
    left = [sorted(p for p in role.index if role[p] != "test" and int(p[1:]) % 2 == odd) for odd in (0, 1)]
    stream = np.random.default_rng(settings.seed)
    shared = {patients[i] for patients in left for i in stream.permutation(len(patients))[:40]}
    val = set(role.index[role == "val"])
    assert len(val) == len(shared) == 80
    assert len(val & shared) < 50  # 32 are expected by chance


def test_seed_and_fold_both_decide_who_validates() -> None:
    frame = table(patients=200, slides=1).rename(columns={"case_id": "patient_id"})
    untested = Fold(frozenset())
    chosen = []
    for seed in (0, 1):
        settings = SplitSettings(classes=("NR", "R"), seed=seed, val_fraction=0.5)
        for number in (0, 1):
            fold = with_roles(patients(frame, settings), untested, number, settings)
            chosen.append(set(fold.loc[fold["role"] == "val", "patient_id"]))
    for one, other in combinations(chosen, 2):
        assert 30 < len(one & other) < 70  # of 100 each, 50 by chance


def test_holdout_is_one_fold(bench: Bench) -> None:
    out = bench.go(table(), scheme="holdout", test_fraction=0.3)
    assert read_splits(out)["folds"] == 1
    roles = read_fold(out, 0).groupby("role")["patient_id"].nunique()
    assert roles["test"] == 6


def test_leading_zeros_stay(bench: Bench) -> None:
    frame = table()
    frame["case_id"] = [f"{i // 2:03d}" for i in range(len(frame))]
    out = bench.go(frame)
    assert read_fold(out, 0)["patient_id"].iloc[0] == "000"


BAD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], dict[str, Any], list[str]]] = {
    "no patient column": (lambda f: f.drop(columns="case_id"), {}, ["'case_id'", "one_slide_per_patient = true"]),
    "alias offered": (lambda f: f, {"patient_id": "patient_id"}, ['Set data.patient_id = "case_id"']),
    "no label column": (lambda f: f.rename(columns={"label": "response"}), {}, ['Set data.label = "response"']),
    "twice": (lambda f: pd.concat([f, f.head(1)]), {}, ["1 slide ids appear more than once in the table", "p00_s0"]),
    "class unknown": (lambda f: f, {"classes": ("NR", "X")}, ["a class has no slide", "X", "R (20)"]),
    "classes not stated": (lambda f: f, {"classes": ()}, ["classes and their order", "'NR', 'R'"]),
    "few patients": (lambda f: f, {"folds": 11}, ["fewer patients than folds", "10 patients for 11 folds"]),
    "empty id": (lambda f: f.assign(slide_id=f["slide_id"].where(f.index != 3)), {}, ["without a slide id", "line 5"]),
    "row without features": (
        lambda f: pd.concat([f, pd.DataFrame([("p99_s0", "p99", "R")], columns=f.columns)]),
        {},
        ["1 in the table, without features: p99_s0", "allow_missing"],
    ),
    "features without row": (lambda f: f.iloc[1:], {}, ["1 with features, not in the table: p00_s0"]),
    "no label": (lambda f: f.assign(label=f["label"].where(f.index != 0)), {}, ["1 without a label: p00_s0"]),
    "no patient": (lambda f: f.assign(case_id=f["case_id"].where(f.index != 0)), {}, ["1 without a patient: p00_s0"]),
    "other label": (
        lambda f: f.assign(label=f["label"].where(f.index != 0, "?")),
        {},
        ["1 with a label that is no class"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_told(bench: Bench, name: str) -> None:
    spoil, keys, words = BAD[name]
    with pytest.raises(ExperimentError) as caught:
        bench.go(spoil(table()), **keys)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "name", ["row without features", "features without row", "no label", "no patient", "other label"]
)
def test_what_is_missing_is_left_out_and_listed_only_when_allowed(bench: Bench, name: str) -> None:
    spoil, keys, _ = BAD[name]
    splits = read_splits(bench.go(spoil(table()), allow_missing=True, **keys))
    (listed,) = splits["excluded"].values()
    assert len(listed) == 1
    assert splits["slides"] == (40 if name == "row without features" else 39)


def test_the_flow_adds_up(bench: Bench, tmp_path: Path) -> None:
    frame = table()
    names = [name.removesuffix(".svs") for name in frame["slide_id"]]
    frame.loc[[0, 5, 6], "label"] = ["?", None, None]
    frame.loc[[5, 7], "case_id"] = None
    store = store_of([*names[:30], "p99_s0"], tmp_path / "with_lists")
    write_blank(store, names[30:32])
    write_left_out(store, LeftOut((names[32],), {names[33]: "cut off", "p98_s0": "not in the table"}))
    frame.to_csv(tmp_path / "c.csv", index=False)
    (tmp_path / "folds").mkdir()
    keys = {"labels": tmp_path / "c.csv", "patient_id": "case_id", "classes": ("NR", "R"), "allow_missing": True}
    run(SplitSettings(**keys), Inputs(parents={"mmap": store}), tmp_path / "folds", Quiet())
    flow = read_splits(tmp_path / "folds")["cohort_flow"]
    assert flow == {
        "in_table": 40,
        "with_features": 30,
        "failed": 1,
        "failed_slides": {names[33]: "cut off"},
        "blank": 2,
        "excluded": {
            "excluded on request": 1,
            "in the table, without features": 6,
            "without a label": 2,
            "with a label that is no class": 1,
            "without a patient": 1,
        },
        "not_in_table": 1,
        "used": 26,
    }
    assert flow["in_table"] == flow["failed"] + flow["blank"] + sum(flow["excluded"].values()) + flow["used"]


def test_rows_are_matched_by_the_part_of_the_ids_that_is_asked_for(bench: Bench) -> None:
    frame = table()
    stored = [name.removesuffix(".svs") + ".uuid" for name in frame["slide_id"]]
    with pytest.raises(
        ExperimentError, match=r"0 of 40 ids match.*40 would match with data\.match_ids = '\^\[\^\.\]\+'"
    ):
        bench.go(frame, stored)
    out = bench.go(frame, stored, match_ids="^[^.]+")
    assert sorted(read_fold(out, 0)["slide_id"]) == sorted(stored)


def test_all_that_is_wrong_is_told_at_once(bench: Bench) -> None:
    frame = table().iloc[1:]
    frame.loc[3, "case_id"] = "P01"
    with pytest.raises(ExperimentError) as caught:
        bench.go(frame, label="response", classes=("NR", "X"))
    text = str(caught.value)
    for words in (
        "3 problems",
        "no column 'response'",
        "patient ids that resemble each other",
        "1 with features, not in the table",
    ):
        assert words in text
    assert "without a label" not in text


def test_before_there_is_a_store_the_table_alone_is_checked(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "c.csv", index=False)
    keys = SplitSettings(labels=tmp_path / "c.csv", patient_id="case_id", classes=("NR", "R"))
    assert preflight(keys, ParentSources()).problems == ()
    (problem,) = preflight(keys.model_copy(update={"folds": 11}), ParentSources()).problems
    assert isinstance(problem, ExperimentError) and "fewer patients than folds" in problem.render()
    found = preflight(keys, ParentSources(expected={"mmap": Expected(frozenset({"p00_s0"}))}))
    assert "39 in the table, without features" in found.problems[0].render() and len(found.problems) == 1
    assert set(found.expected.patients.values()) == set(table()["case_id"])
    left_out = LeftOut(tuple(f"p{p:02d}_s1" for p in range(20)))
    expected = Expected(frozenset(f"p{p:02d}_s0" for p in range(20)), left_out)
    assert preflight(keys, ParentSources(expected={"mmap": expected})).notes == (
        "20 slides left out, excluded on request",
    )
    assert preflight(keys.model_copy(update={"labels": tmp_path / "gone.csv"}), ParentSources()) == Preview()


def test_one_slide_per_patient_must_be_said(bench: Bench) -> None:
    out = bench.go(table().drop(columns="case_id"), one_slide_per_patient=True)
    assert read_splits(out)["one_slide_per_patient"] is True
    assert read_fold(out, 0)["patient_id"].tolist() == read_fold(out, 0)["slide_id"].tolist()


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    store = store_of(["a"], tmp_path / "store")
    with pytest.raises(ExperimentError, match="does not exist"):
        run(SplitSettings(labels=tmp_path / "gone.csv"), Inputs(parents={"mmap": store}), tmp_path, Quiet())
    with pytest.raises(ExperimentError, match="no label table"):
        run(SplitSettings(), Inputs(parents={"mmap": store}), tmp_path, Quiet())


@given(st.lists(st.integers(0, 2), min_size=12, max_size=60), st.integers(2, 5), st.integers(0, 1000), st.data())
@settings(deadline=None, max_examples=60)
def test_any_cohort_is_divided_by_patient(labels: list[int], folds: int, seed: int, data: st.DataObject) -> None:
    classes = ("a", "b", "c")
    owners = [data.draw(st.integers(0, 20)) if i % 3 == 0 else i + 100 for i in range(len(labels))]
    names = {"slide_id": [f"s{i:03d}" for i in range(len(labels))], "patient_id": [f"p{p}" for p in owners]}
    frame = pd.DataFrame({**names, "label": [classes[i] for i in labels]})
    keys = SplitSettings(folds=folds, seed=seed, classes=classes)
    try:
        made = assign_folds(frame, keys)
    except ExperimentError as error:
        assert "too few" in str(error) or "fewer patients" in str(error)
        return
    tested = pd.concat([fold[fold["role"] == "test"] for fold in made])
    assert sorted(tested["slide_id"]) == sorted(frame["slide_id"])
    for fold in made:
        check_fold(fold, "here")
        assert set(fold["role"]) == {"train", "val", "test"}
