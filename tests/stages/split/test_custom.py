"""Folds from files of several tools and from filters; whatever divides a patient is refused with every pair."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.split_files.formats import write_split_files
from oceanpath.errors import ExperimentError
from oceanpath.stages.split.assign_folds import choose_folds
from oceanpath.stages.split.filters import RowFilter
from oceanpath.stages.split.settings import SplitSettings

from .conftest import assign_folds, patients

CLASSES = ("NR", "R")
HIPT = Path(__file__).resolve().parents[4] / "shared" / "data" / "hipt_tcga_lung"


def cohort(count: int = 24, slides: int = 2) -> pd.DataFrame:
    owner = np.repeat(np.arange(count), slides)
    ids = [f"p{p:02d}-s{i % slides}" for i, p in enumerate(owner)]
    names = {"slide_id": ids, "patient_id": [f"p{p:02d}" for p in owner]}
    return pd.DataFrame({**names, "label": [CLASSES[p % 2] for p in owner]})


def custom(**keys: object) -> SplitSettings:
    return SplitSettings(classes=CLASSES, scheme="custom", **keys)


def roles(folds: list[pd.DataFrame]) -> list[dict[str, str]]:
    return [dict(zip(fold["slide_id"], fold["role"], strict=True)) for fold in folds]


@pytest.mark.parametrize("form", ["clam", "patho-bench"])
@pytest.mark.parametrize("scheme", ["kfold", "mccv", "few_shot"])
def test_folds_are_the_same_after_export_and_import(tmp_path: Path, form: str, scheme: str) -> None:
    slides = cohort()
    made = assign_folds(slides, SplitSettings(classes=CLASSES, scheme=scheme, folds=4, repeats=4, shots=4))
    written = write_split_files(form, made, tmp_path, "response")
    read = tmp_path if form == "clam" else written[0]
    settings = custom(file=read, allow_missing=scheme == "few_shot")  # some patients have no role in any draw
    assert roles(assign_folds(slides, settings)) == roles(made)
    plan = choose_folds(patients(slides, settings), settings)
    assert [fold.repeat for fold in plan] == ([0] * 4 if scheme == "kfold" else [0, 1, 2, 3])


def test_more_than_ten_folds_keep_their_order(tmp_path: Path) -> None:
    made = assign_folds(cohort(), SplitSettings(classes=CLASSES, folds=11))
    write_split_files("clam", made, tmp_path, "label")
    assert roles(assign_folds(cohort(), custom(file=tmp_path))) == roles(made)


def test_the_files_of_clam_have_its_columns(tmp_path: Path) -> None:
    (fold,) = assign_folds(cohort(), SplitSettings(classes=CLASSES, scheme="holdout"))
    write_split_files("clam", [fold], tmp_path, "label")
    lists = pd.read_csv(tmp_path / "splits_0.csv", index_col=0)
    assert list(lists.columns) == ["train", "val", "test"]
    flags = pd.read_csv(tmp_path / "splits_0_bool.csv", index_col=0)
    assert (flags.sum(axis=1) == 1).all() and set(flags.index) == set(fold["slide_id"])
    counts = pd.read_csv(tmp_path / "splits_0_descriptor.csv", index_col=0)
    assert counts.loc["NR", "test"] == (fold[fold["label"] == "NR"]["role"] == "test").sum()


def test_a_table_of_patients_or_slides_with_fold_and_role(tmp_path: Path) -> None:
    table = pd.DataFrame({"patient_id": [f"p{p:02d}" for p in range(24)], "fold": 0})
    table["role"] = ["test"] * 6 + ["validation"] * 4 + ["train"] * 14
    table.to_csv(tmp_path / "f.csv", index=False)
    (fold,) = assign_folds(cohort(), custom(file=tmp_path / "f.csv"))
    assert fold["role"].value_counts().to_dict() == {"train": 28, "test": 12, "val": 8}
    table["role"] = ["test"] * 6 + ["train"] * 18  # without a validation set, one is drawn
    table.to_csv(tmp_path / "f.csv", index=False)
    (fold,) = assign_folds(cohort(), custom(file=tmp_path / "f.csv"))
    assert fold["role"].value_counts().to_dict() == {"train": 28, "test": 12, "val": 8}
    repeats = pd.concat([table.assign(repeat=0), table.assign(repeat=1)])
    repeats.to_csv(tmp_path / "f.csv", index=False)
    plan = choose_folds(patients(cohort(), custom(file=tmp_path / "f.csv")), custom(file=tmp_path / "f.csv"))
    assert [fold.repeat for fold in plan] == [0, 1]


def test_a_plan_of_nnmil(tmp_path: Path) -> None:
    made = assign_folds(cohort(), SplitSettings(classes=CLASSES, folds=3))
    splits = {
        f"fold_{k}": {
            role: {"slide_info": [{"slide_id": name, "label": 0} for name, own in fold.items() if own == role]}
            for role in ("train", "val", "test")
        }
        for k, fold in enumerate(roles(made))
    }
    (tmp_path / "dataset_plan.json").write_text(json.dumps({"data_splits": splits, "task_type": "classification"}))
    assert roles(assign_folds(cohort(), custom(file=tmp_path / "dataset_plan.json"))) == roles(made)


def test_every_patient_with_several_roles_is_listed_with_its_fold(tmp_path: Path) -> None:
    made = assign_folds(cohort(), SplitSettings(classes=CLASSES, folds=4))
    expected = []
    for number, fold in enumerate(made):
        tested = sorted(fold.loc[fold["role"] == "test", "patient_id"].unique())[:2]
        for patient in tested:
            fold.loc[fold["slide_id"] == f"{patient}-s1", "role"] = "train"
            expected.append(f"fold {number}: patient {patient} in train, test")
    write_split_files("clam", made, tmp_path, "label")
    with pytest.raises(ExperimentError) as caught:
        assign_folds(cohort(), custom(file=tmp_path))
    assert "8 pairs of fold and patient, 8 of them in train and test (CLAM splits_<k>.csv)" in str(caught.value)
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == expected


def test_slides_outside_the_cohort_count_for_the_patient_whose_id_they_begin_with(tmp_path: Path) -> None:
    made = assign_folds(cohort(), SplitSettings(classes=CLASSES, scheme="holdout"))
    write_split_files("clam", made, tmp_path, "label")
    (tested, *_) = made[0].loc[made[0]["role"] == "test", "patient_id"]
    path = tmp_path / "splits_0.csv"
    path.write_text(path.read_text() + f"99,{tested}-s9,,\n98,{tested}0-s9,,\n98,{tested}7,,\n")  # p01 is not p010
    with pytest.raises(ExperimentError) as caught:
        assign_folds(cohort(), custom(file=tmp_path))
    assert f"fold 0: patient {tested} in train, test" in str(caught.value)
    assert "slides of the split file are not in the cohort" in str(caught.value)


@pytest.mark.skipif(not HIPT.is_dir(), reason="the data of HIPT is not on this machine")
def test_published_folds_that_divide_patients_are_refused_with_all_of_them() -> None:
    table = pd.read_csv(HIPT / "tcga_lung_labels.csv", dtype=str)
    slides = table.rename(columns={"case_id": "patient_id", "oncotree_code": "label"})
    settings = SplitSettings(classes=("LUAD", "LUSC"), scheme="custom", file=HIPT / "splits_10fold")
    with pytest.raises(ExperimentError) as caught:
        choose_folds(patients(slides, settings), settings)
    lines = [line for line in str(caught.value).splitlines() if ": patient " in line]
    assert sum("train" in line.partition(" in ")[2] and "test" in line.partition(" in ")[2] for line in lines) == 83
    assert f"{len(lines)} pairs of fold and patient, 83 of them in train and test" in str(caught.value)


def test_what_a_file_and_the_cohort_do_not_share_is_refused_unless_allowed(tmp_path: Path) -> None:
    made = assign_folds(cohort(), SplitSettings(classes=CLASSES, folds=3))
    write_split_files("patho-bench", made, tmp_path, "label")
    path = tmp_path / "k=all.tsv"
    with pytest.raises(ExperimentError, match=r"1: p00-s0.*not in the split file|not in the split file; got 1: p24-s0"):
        assign_folds(cohort(25, 2).iloc[:-1], custom(file=path))
    with pytest.raises(ExperimentError, match=r"slides of the split file are not in the cohort; got 2: p23-s0"):
        assign_folds(cohort(23), custom(file=path))
    assert len(assign_folds(cohort(23), custom(file=path, allow_missing=True))) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("slide_id,role\na,train\n", "no split file.*fold and role with slide_id"),
        ("slide_id,fold,role\np00-s0,0,tst\n", "unknown role.*expected train, val, test, got tst"),
        ("fold_0,label\ntrain,a\n", "no split file.*slide_id or case_id"),
    ],
)
def test_other_tables_are_refused_with_what_is_expected(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(ExperimentError, match=words):
        assign_folds(cohort(), custom(file=tmp_path / "f.csv"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="does not exist"):
        assign_folds(cohort(), custom(file=tmp_path / "gone.csv"))
    with pytest.raises(ExperimentError, match=r"no split file.*splits_0\.csv"):
        assign_folds(cohort(), custom(file=tmp_path))
    for text in ("{", "[]", '{"data_splits": {"fold_0": {"train": {}}}}', '{"data_splits": 3}'):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(ExperimentError, match=r"cannot be read|has no slides"):
            assign_folds(cohort(), custom(file=tmp_path / "plan.json"))


COLUMNS = pd.DataFrame(
    {
        "site": ["A" if p < 6 else "B" for p in range(24) for _ in range(2)],
        "age": [str(40 + p) if p != 3 else "" for p in range(24) for _ in range(2)],
        "tumour stage": ["II"] * 48,
    }
)


def test_a_filter_chooses_the_test_patients_and_another_the_validation_patients() -> None:
    (fold,) = assign_folds(cohort(), custom(test="site == 'A'"), COLUMNS)
    assert set(fold.loc[fold["role"] == "test", "patient_id"]) == {f"p{p:02d}" for p in range(6)}
    (fold,) = assign_folds(cohort(), custom(test="site == 'A'", val="age >= 60"), COLUMNS)
    assert set(fold.loc[fold["role"] == "val", "patient_id"]) == {f"p{p:02d}" for p in range(20, 24)}
    with pytest.raises(ExperimentError, match=r"match both filters.*6: p00"):
        assign_folds(cohort(), custom(test="site == 'A'", val="site in ['A', 'C']"), COLUMNS)
    with pytest.raises(ExperimentError, match=r"\[split\] val: no slide matches the filter; got site == 'D'"):
        assign_folds(cohort(), custom(test="site == 'A'", val="site == 'D'"), COLUMNS)
    with pytest.raises(ExperimentError, match=r"\[split\] test: no slide matches the filter; got site == 'C'"):
        assign_folds(cohort(), custom(test="site == 'C'"), COLUMNS)


def test_all_slides_of_a_patient_follow_one_that_matches() -> None:
    columns = COLUMNS.assign(stain=["x" if i == 7 else "y" for i in range(48)])
    (fold,) = assign_folds(cohort(), custom(test="stain == 'x' or site == 'A'"), columns)
    assert (fold.loc[fold["patient_id"] == "p03", "role"] == "test").all()


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("site == 'A'", {"site": "A"}, True),
        ("site != 'A'", {"site": ""}, True),
        ("not site == 'A'", {"site": "A"}, False),
        ("age >= 60 and site == 'A'", {"age": "60", "site": "A"}, True),
        ("age < 60", {"age": ""}, False),
        ("age == 60", {"age": "60.0"}, True),
        ("age > -1", {"age": "0"}, True),
        ("site not in ['A', 'B']", {"site": "C"}, True),
        ("year in (2001, 2002)", {"year": "2002"}, True),
        ("(site == 'A' or site == 'B') and age < 5", {"site": "B", "age": "4"}, True),
        ("`tumour stage` == 'II'", {"tumour stage": "II"}, True),
    ],
)
def test_comparisons_mean_what_they_say(text: str, row: dict[str, str], expected: bool) -> None:
    found = RowFilter(text, "test")
    assert found(row) is expected
    assert set(found.columns) == set(row)


@pytest.mark.parametrize(
    "text",
    ["", "site", "site ==", "__import__('os').system('x')", "site == other", "len(site) == 2",
     "site == 'A' if 1 else 2",
     "'A' == site", "1 < age < 3", "site < 'B'", "site in 'AB'", "age == True", "age == [1]", "site == f'{1}'",
     "(lambda: 1)()", "site is 'A'", "site == 'A'; age == 1", "[x for x in site]"],
)  # fmt: skip
def test_anything_else_is_refused_and_never_evaluated(text: str) -> None:
    with pytest.raises(ExperimentError, match=r"\[split\] test: the filter cannot be read.*expected comparisons"):
        RowFilter(text, "test")


def test_a_text_in_a_column_of_numbers_is_named() -> None:
    with pytest.raises(ExperimentError, match=r"column 'age' is compared with a number.*got 'old'"):
        RowFilter("age > 3", "test")({"age": "old"})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"scheme": "kfold", "test": "a == 'b'"}, 'belong to scheme = "custom"'),
        ({"scheme": "custom"}, "either a file or a filter"),
        ({"scheme": "custom", "file": "x.csv", "test": "a == 'b'"}, "either a file or a filter"),
        ({"scheme": "custom", "file": "x.csv", "val": "a == 'b'"}, "val needs test"),
    ],
)
def test_keys_of_custom_folds_that_do_not_fit_are_refused(keys: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SplitSettings(**keys)
