"""Whose slides a pretraining uses: patients, other cohorts, excluded patients; all problems are reported at once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from oceanpath.artifacts.cohort.patient_rule import patients_of_slides, person_ids
from oceanpath.artifacts.folds import write_folds
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.pipeline.stage import Inputs, ParentSources
from oceanpath.ssl.methods.registry import METHODS
from oceanpath.stages.pretrain.cohort import read_cohorts
from oceanpath.stages.pretrain.patients import slides_tested_elsewhere
from oceanpath.stages.pretrain.preflight import preflight
from oceanpath.stages.pretrain.settings import PretrainSettings

from ...ssl.bags import small_method
from .conftest import SLIDES, slide_store, small_settings

BARCODES = {"TCGA-AB-1234-01Z-00-DX1": "TCGA-AB-1234", "TCGA-CD-5678-01A": "TCGA-CD-5678"}


def write_split(folder: Path, tested: dict[str, str]) -> Path:
    """The folds of an experiment that tests these slides, each of a patient."""
    folder.mkdir()
    rows = [(slide, patient, "a", "test") for slide, patient in tested.items()]
    rows += [("other_1", "other_1", "a", "train"), ("other_2", "other_2", "a", "val")]
    frame = pd.DataFrame(rows, columns=["slide_id", "patient_id", "label", "role"])
    write_folds(folder, [frame], {"scheme": "holdout"})
    return folder


def test_patients_are_read_from_slide_ids_only_where_all_ids_follow_the_rule() -> None:
    assert patients_of_slides(BARCODES, "tcga_barcode") == BARCODES
    assert patients_of_slides(["a", "b"], "slide") == {"a": "a", "b": "b"}
    with pytest.raises(ExperimentError, match="1 of 3: TCGA-AB-12345"):
        patients_of_slides([*BARCODES, "TCGA-AB-12345-01"], "tcga_barcode")
    assert person_ids("TCGA-AB-1234-01Z", "17") == {"TCGA-AB-1234-01Z", "17", "TCGA-AB-1234"}


def test_a_cohort_that_names_patients_otherwise_is_still_excluded(tmp_path: Path) -> None:
    """By patient, by slide (then all slides of its patient), and by the barcode behind ids of other kinds."""
    patients = {"s1": "p1", "s2": "p2", "s3": "p2", "s4": "p4", "TCGA-AB-1234-01A": "17", "TCGA-AB-9999-01A": "18"}
    by_patient = write_split(tmp_path / "a", {"x": "p1"})
    by_slide = write_split(tmp_path / "b", {"s3": "unknown"})
    by_barcode = write_split(tmp_path / "c", {"TCGA-AB-1234-11Z": "TCGA-AB-1234"})
    assert slides_tested_elsewhere(patients, []) == []
    assert slides_tested_elsewhere(patients, [by_patient]) == ["s1"]
    assert slides_tested_elsewhere(patients, [by_slide]) == ["s2", "s3"]
    assert slides_tested_elsewhere(patients, [by_patient, by_barcode]) == ["TCGA-AB-1234-01A", "s1"]
    with pytest.raises(ArtifactError):
        slides_tested_elsewhere(patients, [tmp_path])


def test_excluded_patients_neither_train_nor_validate(labels: Path, tmp_path: Path) -> None:
    tested = write_split(tmp_path / "split", {"s00": "p0", "s06": "p3"})
    settings = small_settings("vicreg", labels, exclude=(tested,))
    (cohort,) = read_cohorts(settings, Inputs(), SLIDES, labelled=False)
    assert cohort.manifest.excluded == ["s00", "s01", "s06", "s07"]
    used = {*cohort.manifest.train_ids, *cohort.manifest.val_ids}
    assert used == cohort.manifest.patients.keys() == set(SLIDES) - set(cohort.manifest.excluded)
    most = write_split(tmp_path / "most", {name: f"p{k // 2}" for k, name in enumerate(SLIDES[:20])})
    with pytest.raises(StageError, match="20 slides are excluded"):
        read_cohorts(small_settings("vicreg", labels, exclude=(most,)), Inputs(), SLIDES, labelled=False)


def test_another_cohort_has_a_table_of_its_own(labels: Path, tmp_path: Path) -> None:
    table = tmp_path / "pan.csv"
    table.write_text("file,case,code\nu1,q1,A\nu2,q2,B\nu3,q3,A\nu4,q4,B\n")
    own = {"features": tmp_path, "labels": table, "slide_id": "file", "patient_id": "case", "label": "code"}
    (cohort,) = read_cohorts(
        small_settings("supervised", labels, **own), Inputs(), ["u1", "u2", "u3", "u4"], labelled=True
    )
    assert cohort.labels == {"u1": "A", "u2": "B", "u3": "A", "u4": "B"}
    assert set(cohort.manifest.patients.values()) == {"q1", "q2", "q3", "q4"}
    by_id = small_settings("vicreg", labels, features=tmp_path, patient_rule="slide")
    (cohort,) = read_cohorts(by_id, Inputs(), ["u1", "u2", "u3", "u4"], labelled=False)
    assert cohort.manifest.patient_rule == "slide"
    with pytest.raises(ExperimentError) as caught:
        read_cohorts(small_settings("vicreg", labels, features=tmp_path), Inputs(), ["u1"], labelled=False)
    assert all(key in caught.value.do for key in ("pretrain.labels", "pretrain.patient_rule", "tcga_barcode", "slide"))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"patient_id": "case"}, "set data.patient_id"),
        ({"patient_rule": "slide"}, "set data.patient_rule"),
        ({"features": Path("x"), "rows": "fold_train"}, "remove features"),
    ],
)
def test_keys_of_another_cohort_need_its_features(keys: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PretrainSettings.model_validate(keys)


def test_all_problems_are_reported_before_the_store_is_built(labels: Path) -> None:
    settings = small_settings("vicreg", labels, batching={"strategy": "jepa"}, device="cuda:7", rows="fold_train")
    problems = [problem.render() for problem in preflight(settings, ParentSources()).problems]
    assert len(problems) == 3
    for word in ("jepa makes a context", "cuda:7", "there are no folds"):
        assert any(word in problem for problem in problems), word


def test_patients_that_are_unknown_are_reported_without_a_store(tmp_path: Path) -> None:
    (problem,) = preflight(PretrainSettings(), ParentSources()).problems
    assert "data.labels" in problem.do
    assert "data.patient_rule" in problem.do
    supervised = PretrainSettings.model_validate({"method": "supervised", "data_patient_rule": "slide"})
    (problem,) = preflight(supervised, ParentSources()).problems
    assert "learns labels" in problem.what
    table = tmp_path / "cohort.csv"
    table.write_text("slide_id,patient_id\na,\n")  # no labels, which most methods do not need
    (problem,) = preflight(PretrainSettings(data_labels=table), ParentSources()).problems
    assert "1 slides have no patient" in problem.what


def test_a_strategy_that_needs_coordinates_is_refused_where_the_store_has_none(store: Store, tmp_path: Path) -> None:
    without = slide_store(tmp_path / "store", coords=False)
    settings = PretrainSettings.model_validate(
        {"batching": {"strategy": "regional_crops"}, "data_patient_rule": "slide"}
    )
    for known, count in ((store, 0), (without, 1)):
        assert len(preflight(settings, ParentSources(parents={"mmap": known.path})).problems) == count


@pytest.mark.parametrize("name", METHODS)
def test_the_settings_of_a_method_state_the_kind_of_its_views(name: str) -> None:
    method = small_method(name)
    assert METHODS[name].settings.is_blocks == method.views.is_blocks
