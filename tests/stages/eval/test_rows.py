import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts import folds, predictions
from oceanpath.errors import ArtifactError, StageError
from oceanpath.stages.eval.rows import read_rows


def read(cohort):
    return read_rows(cohort.inputs["train"], cohort.inputs["split"])


def test_every_slide_comes_once_with_its_own_fold_label_and_patient(make):
    cohort = make()
    rows = read(cohort)
    assert sorted(rows.frame["slide_id"]) == cohort.slides["slide_id"].tolist()
    expected = cohort.slides.set_index("slide_id").loc[rows.frame["slide_id"]]
    assert rows.patients == expected["patient_id"].tolist()
    assert [cohort.classes[i] for i in rows.targets] == expected["label"].tolist()
    assert np.array_equal(rows.folds, [int(name[1:]) % 3 for name in rows.patients])
    assert rows.task.record() == {"classes": cohort.classes} and not rows.selected


def test_rows_that_are_not_test_rows_are_refused(make):
    cohort = make()
    cohort.oof(role="val")
    with pytest.raises(StageError, match=r"only test rows can be reported.*got val"):
        read(cohort)


@pytest.mark.parametrize(("column", "said"), [("slide_id", "slides of the test"), ("patient_id", "patients of the")])
def test_rows_that_also_chose_the_epoch_are_refused(make, column, said):
    cohort = make()
    path = cohort.inputs["train"] / "fold_1/preds_val.parquet"
    val = predictions.read_predictions(path, cohort.task)
    tested = read(cohort).frame.query("fold == 1")
    val.loc[0, column] = tested[column].iloc[0]
    predictions.write_predictions(val, path, cohort.task)
    with pytest.raises(StageError, match=f"{said}.*fold|fold 1: {said}"):
        read(cohort)


def test_a_selected_scheme_may_and_says_so(make):
    cohort = make(selected=True)
    path = cohort.inputs["train"] / "fold_1/preds_val.parquet"
    rows = read(cohort)
    predictions.write_predictions(rows.frame.query("fold == 1").assign(role="val"), path, cohort.task)
    assert read(cohort).selected


def test_a_slide_tested_twice_is_refused(make):
    cohort = make()
    path = cohort.inputs["train"] / "oof_predictions.parquet"
    frame = predictions.read_predictions(path, cohort.task)
    again = frame.iloc[[0]].assign(fold=2)
    predictions.write_predictions(pd.concat([frame, again]), path, cohort.task)
    with pytest.raises(StageError, match="more than once"):
        read(cohort)


def test_rows_and_folds_must_match_both_ways(make):
    cohort = make()
    path = cohort.inputs["train"] / "oof_predictions.parquet"
    frame = predictions.read_predictions(path, cohort.task)
    predictions.write_predictions(frame.iloc[1:], path, cohort.task)
    with pytest.raises(StageError, match="have no prediction"):
        read(cohort)
    predictions.write_predictions(frame.assign(slide_id=frame["slide_id"].replace("s000", "s999")), path, cohort.task)
    with pytest.raises(StageError, match="have no prediction"):
        read(cohort)
    predictions.write_predictions(pd.concat([frame, frame.iloc[[0]].assign(slide_id="s999")]), path, cohort.task)
    with pytest.raises(StageError, match="does not test"):
        read(cohort)


@pytest.mark.parametrize(("column", "value"), [("label", "pos"), ("patient_id", "p99")])
def test_labels_and_patients_must_be_the_folds(make, column, value):
    cohort = make()
    cohort.oof(**{column: value})
    with pytest.raises(StageError, match=f"{column} differs"):
        read(cohort)


def test_no_rows_are_refused(make):
    cohort = make()
    path = cohort.inputs["train"] / "oof_predictions.parquet"
    predictions.write_predictions(predictions.read_predictions(path, cohort.task).iloc[:0], path, cohort.task)
    with pytest.raises(StageError, match="no test rows"):
        read(cohort)


def test_a_missing_fold_is_an_error(make):
    cohort = make()
    (cohort.inputs["split"] / "fold_2.parquet").unlink()
    with pytest.raises(ArtifactError, match="cannot be read"):
        read(cohort)
    assert len(folds.read_fold(cohort.inputs["split"], 1)) == 60
