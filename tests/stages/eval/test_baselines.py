from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from oceanpath.artifacts import folds
from oceanpath.artifacts.store.reader import Store
from oceanpath.evaluation.pooled import pool
from oceanpath.pipeline.stage import Quiet
from oceanpath.stages.eval.baselines import fitting_rows, predict_baselines
from oceanpath.stages.eval.rows import read_rows
from oceanpath.tasks.evaluation import LENGTH, MAXIMUM, MEAN
from oceanpath.tasks.logistic import fit_logistic

LUNG = Path(__file__).resolve().parents[3] / "../shared/data/hipt_tcga_lung/tcga_lung_bags_f32.npz"


def floors(cohort):
    rows = read_rows(cohort.inputs["train"], cohort.inputs["split"])
    return rows, predict_baselines(rows, cohort.inputs, Quiet())


@pytest.mark.parametrize("classes", [("neg", "pos"), ("a", "b", "c")])
def test_every_floor_has_probabilities_for_every_row(make, classes):
    rows, found = floors(make(classes=classes))
    assert list(found) == ["mean_pool_lr", "max_pool_lr", "bag_length", "majority"]
    for probs in found.values():
        assert probs.shape == (60, len(classes)) and np.allclose(probs.sum(axis=1), 1)
    assert np.mean(found["mean_pool_lr"].argmax(axis=1) == rows.targets) > 1.3 / len(
        classes
    )  # the store tells the label


def test_the_majority_ranks_nothing_even_across_folds(make):
    rows, found = floors(make(patients=31))
    assert len(np.unique(found["majority"], axis=0)) == 1
    assert roc_auc_score(rows.targets, found["majority"][:, 1]) == 0.5


def test_tested_slides_never_teach_a_floor(make):
    """Another label for a fold's test slides changes nothing that this fold predicts."""
    cohort = make()
    rows, before = floors(cohort)
    for number in range(3):
        slides, labels = fitting_rows(rows, cohort.inputs["split"], number)
        assert not set(slides) & set(rows.frame.loc[rows.frame["fold"] == number, "slide_id"])
        assert len(slides) == len(labels) == 40  # train and val rows both
    frames = [folds.read_fold(cohort.inputs["split"], k) for k in range(3)]
    flip = frames[0]["label"].map({"neg": "pos", "pos": "neg"}).where(frames[0]["role"] == "test", frames[0]["label"])
    frames[0]["label"] = flip
    folds.write_folds(cohort.inputs["split"], frames, {"scheme": "kfold", "classes": cohort.classes})
    after = predict_baselines(rows, cohort.inputs, Quiet())
    for name in before:
        assert np.array_equal(before[name], after[name])


def test_a_selected_scheme_does_not_let_a_floor_see_tested_patients(make):
    cohort = make(selected=True)
    rows = read_rows(cohort.inputs["train"], cohort.inputs["split"])
    frame = folds.read_fold(cohort.inputs["split"], 0)
    owner = frame.loc[frame["role"] == "test", "patient_id"].iloc[0]
    frame.loc[0, ["patient_id", "role"]] = [owner, "train"]
    frames = [frame, *(folds.read_fold(cohort.inputs["split"], k) for k in (1, 2))]
    folds.write_folds(cohort.inputs["split"], frames, {"scheme": "kfold", "classes": cohort.classes})
    assert frame["slide_id"][0] not in fitting_rows(rows, cohort.inputs["split"], 0)[0]


def test_pooling_is_the_mean_the_maximum_and_the_length_before_capping(make):
    cohort = make(patients=4)
    store = Store(cohort.inputs["mmap"])
    pooled = pool(store, store.slide_ids[2:4], lambda: None)
    mean, largest, length = (pooled.features[name] for name in (MEAN, MAXIMUM, LENGTH))
    bag = store.features(3).astype(np.float64)
    assert np.allclose(mean[1], bag.mean(axis=0), atol=1e-6) and np.array_equal(
        largest[1], bag.max(axis=0).astype("f4")
    )
    assert np.exp(length[1, 0]) == pytest.approx(2 * len(bag), rel=1e-5)


def test_a_class_without_fitting_rows_gets_nothing():
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    labels = np.arange(20) % 2 * 2
    probs = fit_logistic(x, labels, x[:5], 3)
    assert np.all(probs[:, 1] == 0) and np.allclose(probs.sum(axis=1), 1)
    assert fit_logistic(x, np.ones(20, int), x[:5], 3).tolist() == [[0, 1, 0]] * 5


@pytest.mark.real
def test_the_known_floor_of_the_lung_cohort():
    """Mean region and logistic regression, C = 0.01, five patient-grouped folds: AUROC 0.930."""
    if not LUNG.is_file():
        pytest.skip("the lung cohort is not beside the project")
    bags = np.load(LUNG)
    x = np.add.reduceat(bags["features"], bags["offsets"][:-1]) / np.diff(bags["offsets"])[:, None]
    labels = (bags["label"] == "LUSC").astype(int)
    patients = pd.factorize(bags["case_id"], sort=True)[0]
    fold = np.random.default_rng(0).permutation(patients.max() + 1)[patients] % 5
    probs = np.zeros(len(labels))
    for number in range(5):
        fit, test = fold != number, fold == number
        probs[test] = fit_logistic(x[fit], labels[fit], x[test], 2)[:, 1]
    assert roc_auc_score(labels, probs) == pytest.approx(0.930, abs=0.008)
