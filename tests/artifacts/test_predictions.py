import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts import predictions
from oceanpath.artifacts.tables import write_table
from oceanpath.errors import ArtifactError
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.probabilities import prob_columns

CLASSES = ["LUAD", "LUSC"]
TASK = Classification(CLASSES)


def frame(slides, role="test", fold=0, classes=CLASSES, patients=None):
    n = len(slides)
    probs = np.random.default_rng(n + fold).dirichlet(np.ones(len(classes)), n)
    return pd.DataFrame(
        {
            "slide_id": slides,
            "patient_id": patients or [f"p-{name}" for name in slides],
            "label": [classes[i % len(classes)] for i in range(n)],
            **dict(zip(prob_columns(classes), probs.T, strict=True)),
            "fold": fold,
            "role": role,
        }
    )


@pytest.fixture
def published(tmp_path):
    """Two folds over six slides, as train writes them."""
    slides = [f"s{i}" for i in range(6)]
    tests = []
    for number, tested in enumerate((slides[:3], slides[3:])):
        folder = tmp_path / f"fold_{number}"
        folder.mkdir()
        (folder / "best.ckpt").write_bytes(b"weights")
        (folder / "history.json").write_text("[]\n")
        rest = [name for name in slides if name not in tested]
        predictions.write_predictions(frame(rest[:1], "val", number), folder / "preds_val.parquet", TASK)
        tests.append(frame(tested, "test", number))
        predictions.write_predictions(tests[-1], folder / "preds_test.parquet", TASK)
        ids = frame(slides)[["slide_id", "patient_id", "label"]].assign(
            role=["test" if name in tested else "val" if name == rest[0] else "train" for name in slides]
        )
        predictions.write_embeddings(np.ones((6, 4), np.float32), ids, folder)
    predictions.write_predictions(pd.concat(tests), tmp_path / "oof_predictions.parquet", TASK)
    results = {"classes": CLASSES, "folds": 2, "model": {}, "scheme": "kfold", "selected": False}
    predictions.write_cv_results(results | {"per_fold": [{"fold": 0}, {"fold": 1}]}, tmp_path)
    return tmp_path


@given(st.permutations([f"s{i:02d}" for i in range(8)]), st.integers(2, 13))
@settings(deadline=None, max_examples=25)
def test_what_is_written_is_read_whatever_the_order_of_rows(tmp_path_factory, slides, n_classes):
    classes = [f"class {i}" for i in range(n_classes)]
    rows = frame(sorted(slides), classes=classes)
    path = tmp_path_factory.mktemp("p") / "a.parquet"
    task = Classification(classes)
    predictions.write_predictions(rows, path, task)
    once = path.read_bytes()
    predictions.write_predictions(rows.set_index("slide_id").loc[slides].reset_index(), path, task)
    assert path.read_bytes() == once
    back = predictions.read_predictions(path, task)
    assert np.array_equal(task.values(back), task.values(rows))
    assert [classes[i] for i in task.targets(back["label"].tolist())] == rows["label"].tolist()


def test_twelve_classes_keep_their_number_not_their_place_in_the_alphabet(tmp_path):
    classes = [str(i) for i in range(12)]
    task = Classification(classes)
    rows = frame([f"s{i:02d}" for i in range(12)], classes=classes)
    rows[prob_columns(classes)] = np.eye(12)
    predictions.write_predictions(rows, tmp_path / "a.parquet", task)
    back = predictions.read_predictions(tmp_path / "a.parquet", task)
    assert task.values(back).argmax(axis=1).tolist() == list(range(12))
    with pytest.raises(ArtifactError, match="wrong columns"):
        predictions.read_predictions(tmp_path / "a.parquet", Classification(sorted(classes)))


def test_everything_train_publishes_passes_its_check(published):
    predictions.check(published, TASK)
    assert len(predictions.read_oof(published, TASK)) == 6
    embeddings, ids = predictions.read_embeddings(published / "fold_0")
    assert embeddings.shape == (6, 4) and embeddings.dtype == np.float32 and len(ids) == 6


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("prob_LUAD", np.nan, "not finite"),
        ("prob_LUAD", 0.9999, "sum to 1"),
        ("prob_LUAD", -0.1, "negative"),
        ("role", "train", "unknown role"),
        ("label", "KIRC", "not a class"),
    ],
)
def test_a_bad_row_is_neither_written_nor_read(tmp_path, column, value, said):
    rows = frame(["a", "b", "c"])
    rows[["prob_LUAD", "prob_LUSC"]] = 0.5
    rows.loc[1, column] = value
    with pytest.raises(ArtifactError, match=said):
        predictions.write_predictions(rows, tmp_path / "a.parquet", TASK)
    write_table(rows, tmp_path / "a.parquet")
    with pytest.raises(ArtifactError, match=said):
        predictions.read_predictions(tmp_path / "a.parquet", TASK)


def test_a_missing_column_and_a_single_class_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match="wrong columns"):
        predictions.write_predictions(frame(["a"]).drop(columns="patient_id"), tmp_path / "a.parquet", TASK)
    with pytest.raises(ArtifactError, match="fewer than two"):
        rows = frame(["a"]).drop(columns="prob_LUSC")
        predictions.write_predictions(rows, tmp_path / "a.parquet", Classification(["LUAD"]))


@pytest.mark.parametrize("name", ["best.ckpt", "history.json", "preds_val.parquet", "embeddings.npy"])
def test_a_missing_file_is_found(published, name):
    (published / "fold_1" / name).unlink()
    with pytest.raises(ArtifactError):
        predictions.check(published, TASK)


def test_a_patient_in_val_and_test_is_found_unless_the_scheme_is_selected(published):
    folder = published / "fold_0"
    predictions.write_predictions(frame(["s9"], "val", patients=["p-s0"]), folder / "preds_val.parquet", TASK)
    with pytest.raises(ArtifactError, match="patient is in val and in test"):
        predictions.check(published, TASK)
    assert len(predictions.check_fold(folder, 0, TASK, selected=True)) == 3


def test_test_rows_in_the_val_file_and_rows_of_another_fold_are_found(published):
    folder = published / "fold_0"
    predictions.write_predictions(frame(["s4"], "test"), folder / "preds_val.parquet", TASK)
    with pytest.raises(ArtifactError, match="another role or fold"):
        predictions.check(published, TASK)
    predictions.write_predictions(frame(["s4"], "val", fold=1), folder / "preds_val.parquet", TASK)
    with pytest.raises(ArtifactError, match="another role or fold"):
        predictions.check(published, TASK)


def test_a_slide_that_is_never_tested_or_tested_twice_is_found(published):
    path = published / "fold_1/preds_test.parquet"
    for slides in (["s3", "s4"], ["s1", "s3", "s4", "s5"]):
        predictions.write_predictions(frame(slides, "test", 1), path, TASK)
        both = [predictions.read_predictions(published / f"fold_{k}/preds_test.parquet", TASK) for k in (0, 1)]
        predictions.write_predictions(pd.concat(both), published / "oof_predictions.parquet", TASK)
        with pytest.raises(ArtifactError, match="exactly once"):
            predictions.check(published, TASK)


def test_pooled_rows_that_are_not_those_of_the_folds_are_found(published):
    rows = predictions.read_oof(published, TASK)
    rows[["prob_LUAD", "prob_LUSC"]] = 0.5
    predictions.write_predictions(rows, published / "oof_predictions.parquet", TASK)
    with pytest.raises(ArtifactError, match="not the test rows"):
        predictions.check(published, TASK)


def test_embeddings_that_are_not_finite_or_not_one_a_slide_are_refused(published):
    folder = published / "fold_0"
    ids = predictions.read_embeddings(folder)[1]
    with pytest.raises(ArtifactError, match="one embedding per slide"):
        predictions.write_embeddings(np.ones((5, 4), np.float32), ids, folder)
    np.save(folder / "embeddings.npy", np.full((6, 4), np.nan, np.float32))
    with pytest.raises(ArtifactError, match="not finite"):
        predictions.check(published, TASK)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"folds": 3}, "not one entry of per_fold per fold"),
        ({"per_fold": [{"fold": 1}, {"fold": 0}]}, "fold order"),
        ({"selected": None}, ""),
    ],
)
def test_results_that_break_their_promise_are_refused(published, change, said):
    path = published / "cv_results.json"
    found = json.loads(path.read_text()) | change
    if change == {"selected": None}:
        del found["selected"]
        said = "lacks a key"
    path.write_text(json.dumps(found))
    with pytest.raises(ArtifactError, match=said):
        predictions.read_cv_results(published)


def test_results_are_finite(tmp_path):
    results = {"classes": CLASSES, "folds": 1, "model": {}, "scheme": "kfold", "selected": False}
    with pytest.raises(ArtifactError, match="not finite"):
        predictions.write_cv_results(results | {"per_fold": [{"fold": 0, "val_loss": float("inf")}]}, tmp_path)
