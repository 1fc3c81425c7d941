import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from oceanpath.artifacts import folds, predictions
from oceanpath.pipeline.stage import Quiet
from oceanpath.stages.eval.floors import predict_floors
from oceanpath.stages.eval.report import build_report, group_patients
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings

QUICK = EvalSettings(resamples=100)


def report(cohort):
    rows = read_rows(cohort.inputs["train"], cohort.inputs["split"])
    return rows, build_report(QUICK, rows, predict_floors(rows, cohort.inputs, Quiet()))


def records(found):
    """Every record of a report."""
    if isinstance(found, dict):
        if "value" in found:
            yield found
        else:
            for value in found.values():
                yield from records(value)
    if isinstance(found, list):
        for value in found:
            yield from records(value)


def test_numbers_are_those_of_the_rows(make):
    rows, found = report(make())
    slide, patient = found["level"]["slide"], found["level"]["patient"]
    assert slide["auroc"]["value"] == pytest.approx(roc_auc_score(rows.labels, rows.probs[:, 1]), abs=1e-12)
    assert slide["f1"]["value"] == pytest.approx(
        f1_score(rows.labels, rows.probs.argmax(axis=1), average="macro"), abs=1e-12
    )
    assert (slide["auroc"]["n"], slide["auroc"]["n_patients"]) == (60, 30)
    assert (patient["auroc"]["n"], patient["auroc"]["n_patients"]) == (30, 30)
    assert [fold["n"] for fold in found["folds"]] == [20, 20, 20]
    own = rows.folds == 1
    expected = roc_auc_score(rows.labels[own], rows.probs[own, 1])
    assert found["folds"][1]["auroc"]["value"] == pytest.approx(expected, abs=1e-12)
    assert found["folds"][1]["threshold"] == 0.5


def test_each_fold_decides_at_its_own_threshold(make):
    rows, found = report(make())
    cut = np.array([0.4, 0.5, 0.6])[rows.folds]
    called = rows.probs[:, 1] >= cut
    point = found["operating_point"]
    assert point["slide"]["sensitivity"]["value"] == pytest.approx(called[rows.labels == 1].mean())
    assert point["thresholds"] == [0.4, 0.5, 0.6] and "inner validation" in point["rule"]
    grouped, _ = group_patients(rows)
    cut = np.array([0.4, 0.5, 0.6])[[int(name[1:]) % 3 for name in grouped.patients]]
    called = grouped.probs[:, 1] >= cut
    assert point["patient"]["specificity"]["value"] == pytest.approx((~called[grouped.labels == 0]).mean())


def test_many_classes_have_no_operating_point(make):
    _, found = report(make(classes=("a", "b", "c")))
    assert found["operating_point"] is None and "sensitivity" not in found["level"]["slide"]
    assert found["level"]["slide"]["auroc"]["value"] > 0.7


def test_a_model_below_its_floor_is_told_so(make):
    _, found = report(make(skill=-1.0))
    said = [note for note in found["notes"] if note.startswith("worse_than_floor")]
    assert len(said) == 4 and any("mean_pool_lr" in note for note in said)
    assert found["level"]["slide"]["auroc"]["value"] < found["floor"]["majority"]["auroc"]["value"] == 0.5


def test_a_model_above_its_floors_is_not(make):
    _, found = report(make(skill=6))
    assert found["notes"] == []


def test_every_number_of_selected_rows_says_so(make):
    _, found = report(make(selected=True))
    assert all(record["selected"] is True for record in records(found))
    assert len(list(records(found))) > 60 and found["notes"][0].startswith("selected")


def test_honest_rows_do_not(make):
    _, found = report(make())
    assert not any("selected" in record for record in records(found))


def test_a_patient_with_two_labels_has_no_patient_level_and_the_report_says_why(make):
    cohort = make()
    frames = [folds.read_fold(cohort.inputs["split"], k) for k in range(3)]
    for frame in frames:
        frame.loc[0, "label"] = "pos"  # s000 of p00, whose other slide is neg
    folds.write_folds(cohort.inputs["split"], frames, {"scheme": "kfold", "classes": cohort.classes})
    tested = predictions.read_oof(cohort.inputs["train"])
    cohort.oof(label=tested["label"].where(tested["slide_id"] != "s000", "pos"))
    _, found = report(cohort)
    patient = found["level"]["patient"]["auroc"]
    assert patient["value"] is None and "different labels" in patient["reason"] and "p00" in patient["reason"]
    assert found["level"]["slide"]["auroc"]["value"] > 0.5
    assert any(note.startswith("conflicting_patient_labels") for note in found["notes"])
