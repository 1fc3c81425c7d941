"""Experiments proposed for tables and folders."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.cohort.user_tables import read_user_table
from oceanpath.artifacts.features.summary import summarise_features
from oceanpath.errors import ExperimentError
from oceanpath.proposals.draft import Choices, draft_experiment
from oceanpath.proposals.questions import NoQuestions
from oceanpath.proposals.source import FEATURES, Source, find_table, look_at
from oceanpath.proposals.toml_text import render

ROWS = [f"S{i:02d},P{i // 2:02d},{'R' if i % 4 < 2 else 'NR'},{'A' if i < 10 else 'B'}" for i in range(20)]


class Yes(NoQuestions):
    """Answers yes."""

    def confirm(self, question: str, flag: str) -> bool:
        return True


@pytest.fixture
def table(tmp_path: Path):
    def write(head: str, rows=ROWS, separator: str = ","):
        path = tmp_path / "cohort.csv"
        path.write_text("\n".join([head, *rows]).replace(",", separator) + "\n", encoding="utf-8-sig")
        return read_user_table(path)

    return write


def source(*names: str) -> Source:
    return Source(FEATURES, Path("features"), frozenset(names or [f"S{i:02d}" for i in range(20)]), ["20 files"])


def test_columns_classes_and_folds_are_proposed(table) -> None:
    draft = draft_experiment(source(), table("Slide,PatientID,response,Hospital"), Choices(), NoQuestions())
    assert draft.data == {
        "features": Path("features"),
        "labels": draft.data["labels"],
        "slide_id": "Slide",
        "patient_id": "PatientID",
        "site": "Hospital",
        "label": "response",
        "classes": ["NR", "R"],
    }
    assert draft.tables["split"] == {"folds": 5}
    assert draft.facts["patients"] == ["column PatientID: 10 patients, each with at most 2 slides"]
    assert draft.facts["join"] == ["20 of 20 slides of the table have features"]
    assert draft.missing == []


def test_patients_with_one_slide_each_are_counted_as_such(table) -> None:
    rows = [row.replace(f",P{i // 2:02d},", f",Q{i:02d},") for i, row in enumerate(ROWS)]
    draft = draft_experiment(source(), table("slide,patient,response,site", rows), Choices(), NoQuestions())
    assert draft.facts["patients"] == ["column patient: 20 patients, one slide each"]


def test_the_text_is_toml_with_relative_paths_and_comments(table, tmp_path: Path) -> None:
    draft = draft_experiment(
        replace(source(), folder=tmp_path / "features"),
        table("slide_id,case_id,label,site", separator=";"),
        Choices(),
        NoQuestions(),
    )
    text = render(draft, "mine", tmp_path)
    assert text.startswith("#:schema ./oceanpath.schema.json\n")
    data = tomllib.loads(text)["data"]
    assert (data["features"], data["labels"]) == ("features", "cohort.csv")
    assert 'classes = ["NR", "R"] # the second class is the positive one' in text


def test_without_a_folder_the_folder_is_missing(table) -> None:
    draft = draft_experiment(None, table("slide,patient,label,site"), Choices(), NoQuestions())
    assert "features" not in draft.data
    assert "data.slides or data.features" in draft.missing[0]


@pytest.mark.parametrize(
    ("head", "choices", "message"),
    [
        ("nothing,case_id,label,site", Choices(), "no column of slides"),
        ("slide_id,nothing,label,site", Choices(), "no column names the patients"),
        ("slide_id,case_id,sex,fold", Choices(), "--label: several columns could be predicted"),
        ("slide_id,case_id,label,site", Choices(label="lable"), "Did you mean 'label'"),
        ("slide_id,case_id,label,site", Choices(label="case_id"), "column 'case_id' contains no target"),
    ],
)
def test_what_cannot_be_determined_is_reported_with_the_option(table, head, choices, message) -> None:
    with pytest.raises(ExperimentError, match=message):
        draft_experiment(None, table(head), choices, NoQuestions())


def test_slides_are_recognised_by_their_names_and_by_a_part_of_them(table) -> None:
    named = table("code,case_id,label,site")
    assert draft_experiment(source(), named, Choices(), NoQuestions()).data["slide_id"] == "code"
    parts = source(*(f"S{i:02d}_features" for i in range(20)))
    draft = draft_experiment(parts, table("slide_id,case_id,label,site"), Choices(), NoQuestions())
    assert draft.data["match_ids"].endswith("$")
    assert draft.facts["join"][0].startswith("20 of 20")


def test_slides_are_left_out_only_if_the_user_agrees(table) -> None:
    rows = [*ROWS[:-1], "S19,P09,N/A,B", "S20,P10,R,B"]
    known = table("slide_id,case_id,label,site", rows)
    assert "allow_missing" not in draft_experiment(source(), known, Choices(), NoQuestions()).data
    draft = draft_experiment(source(), known, Choices(), Yes())
    assert draft.data["allow_missing"] is True
    assert draft.comments["allow_missing"].startswith("leaves out 1 rows without a usable label, 1 rows without")
    assert draft.facts["join"][1] == "1 rows without features: S20"


def test_sites_of_tcga_are_those_of_the_barcodes(table) -> None:
    rows = [f"S{i:02d},TCGA-{i % 3:02d}-AAA{i % 10},{'R' if i < 9 else 'NR'}" for i in range(20)]
    draft = draft_experiment(None, table("slide_id,case_id,label", rows), Choices(), NoQuestions())
    assert draft.data["site_rule"] == "tcga_barcode"
    rows[0] = 'S00,"TCGA-00-AAA0, TCGA-00-AAA0",R'.replace(", ", " ").replace("TCGA-00", "TCGA 00")
    draft = draft_experiment(None, table("slide_id,case_id,label", rows), Choices(), NoQuestions())
    assert "site_rule" not in draft.data
    assert draft.facts["sites"][0].startswith("unknown: 1 patient ids")


def test_a_folder_is_recognised_and_its_files_are_described(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name, n in (("x", 3), ("y", 5), ("z", 4)):
        np.save(tmp_path / "a" / "b" / f"{name}.npy", np.ones((n, 8), np.float16))
    (tmp_path / "a" / "b" / "broken.npy").write_bytes(b"nothing")
    (tmp_path / "one.csv").write_text("a\n1\n")
    looked = look_at(tmp_path, NoQuestions())
    assert looked.folder == tmp_path / "a" / "b"
    assert looked.ids == {"x", "y", "z", "broken"}
    assert "patches per slide: 3 to 5, median 4, 12 in total" in looked.lines
    assert any(line.startswith("cannot be read: broken.npy") or "broken.npy" in line for line in looked.lines)
    assert summarise_features({}).lines() == []
    assert find_table(tmp_path) == tmp_path / "one.csv"
    (tmp_path / "two.csv").write_text("a\n1\n")
    with pytest.raises(ExperimentError, match=r"several tables are in this folder; got one\.csv, two\.csv"):
        find_table(tmp_path)
    with pytest.raises(ExperimentError, match="neither slides nor features"):
        look_at(tmp_path, NoQuestions(), use="slides")


def test_the_positive_class_is_asked_if_names_do_not_show_it(table) -> None:
    asked: list[str] = []

    class Second(NoQuestions):
        """Chooses the last option."""

        def choose(self, question, options, default, flag):
            asked.append(f"{question} {flag}")
            return list(options)[-1]

    rows = [row.replace(",NR,", ",LUAD,").replace(",R,", ",LUSC,") for row in ROWS]
    known = table("slide_id,case_id,label,site", rows)
    draft = draft_experiment(source(), known, Choices(), Second())
    assert draft.data["classes"] == ["LUSC", "LUAD"]
    assert "which class is the positive one --set data.classes=[...]" in asked
    assert draft_experiment(source(), known, Choices(), NoQuestions()).data["classes"] == ["LUAD", "LUSC"]
    asked.clear()
    draft_experiment(source(), known, Choices(keys={"data": {"classes": ["LUAD", "LUSC"]}}), Second())
    assert not any("positive" in question for question in asked)


def test_a_folder_of_slide_embeddings_gets_their_level_and_a_linear_model(table, tmp_path: Path) -> None:
    for number in range(20):
        np.save(tmp_path / f"S{number:02d}.npy", np.ones(8, np.float32))
    own = look_at(tmp_path, NoQuestions(), "features")
    draft = draft_experiment(own, table("slide_id,patient_id,response,site"), Choices(), NoQuestions())
    assert draft.data["level"] == "slide" and draft.tables["model"] == {"name": "linear"}
    assert "analyze" not in draft.tables and "20 files: numpy features [8] float32" in own.lines
