from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from oceanpath.artifacts import predictions
from oceanpath.artifacts.folds import read_fold, read_splits, write_folds
from oceanpath.artifacts.tables import write_table
from oceanpath.errors import ArtifactError, StageError
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.pipeline.stage import Inputs, Part, Quiet
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stages.train.work import check, parts, run, run_part
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.registry import read_task

TASK = Classification(["no", "yes"])
QUICK = TrainSettings(model={"name": "abmil", "hidden": 8, "attention": 4}, epochs=12, lr=1e-2, batch_size=4)


def part_of(settings: TrainSettings, inputs: Inputs, number: int, out: Path) -> Path:
    out.mkdir(parents=True)
    run_part(settings, inputs, parts(settings, inputs)[number], out, Quiet())
    return out


def whole(settings: TrainSettings, inputs: Inputs, root: Path) -> Path:
    made = {part.key: part_of(settings, inputs, i, root / part.key) for i, part in enumerate(parts(settings, inputs))}
    (root / "run").mkdir()
    run(settings, replace(inputs, parts=made), root / "run", Quiet())
    check(root / "run")
    return root / "run"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rewrite(inputs: Inputs, number: int, change: dict[str, dict[str, str]]) -> None:
    """Change cells of a fold: {slide_id: {column: value}}."""
    frame = read_fold(inputs["split"], number).set_index("slide_id")
    for slide, cells in change.items():
        for column, value in cells.items():
            frame.loc[slide, column] = value
    write_table(frame.reset_index(), inputs["split"] / f"fold_{number}.parquet")


def slides(inputs: Inputs, number: int, role: str) -> list[str]:
    frame = read_fold(inputs["split"], number)
    return frame.loc[frame["role"] == role, "slide_id"].tolist()


def test_a_cohort_that_can_be_learnt_is_learnt_and_every_slide_is_tested_once(inputs: Inputs, tmp_path: Path) -> None:
    out = whole(QUICK, inputs, tmp_path / "out")
    pooled, results = predictions.read_oof(out, TASK), predictions.read_cv_results(out)
    assert sorted(pooled["slide_id"]) == [f"slide_{i:02d}" for i in range(24)]
    assert ((pooled["prob_yes"] > 0.5) == (pooled["label"] == "yes")).mean() > 0.9
    assert results["classes"] == ["no", "yes"]
    assert results["selected"] is False
    assert results["model"]["hidden"] == 8
    assert [fold["slides"] for fold in results["per_fold"]] == [{"train": 12, "val": 4, "test": 8}] * 3
    assert all(0 < fold["threshold"] < 1 for fold in results["per_fold"])


def test_the_plan_of_the_folds_is_repeated_where_it_says_more_than_their_number(inputs: Inputs, tmp_path: Path) -> None:
    assert "plan" not in predictions.read_cv_results(whole(QUICK, inputs, tmp_path / "plain"))
    splits = read_splits(inputs["split"])
    frames = [read_fold(inputs["split"], k) for k in range(3)]
    frames[0] = frames[0][frames[0]["slide_id"] != frames[0].loc[frames[0]["role"] == "train", "slide_id"].iloc[0]]
    splits["plan"] = [{"repeat": k, "ensemble": k, "name": ""} for k in range(3)]
    write_folds(inputs["split"], frames, splits | {"scheme": "mccv"})
    out = whole(QUICK, inputs, tmp_path / "repeated")
    results = predictions.read_cv_results(out)
    assert results["plan"] == splits["plan"] and results["scheme"] == "mccv"
    assert [fold["slides"]["train"] for fold in results["per_fold"]] == [11, 12, 12]  # one slide has no role in fold 0


def test_twice_the_same_bytes_whatever_the_threads_and_the_random_state(inputs: Inputs, tmp_path: Path) -> None:
    first = contents(part_of(QUICK, inputs, 0, tmp_path / "first"))
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    torch.rand(11)
    np.random.seed(3)
    try:
        second = contents(part_of(QUICK, inputs, 0, tmp_path / "second"))
    finally:
        torch.set_num_threads(threads)
    assert first == second
    assert set(first) == {
        *("best.ckpt", "preds_val.parquet", "preds_test.parquet", "embeddings.npy", "embedding_ids.parquet"),
        *("history.json", "fold.json"),
    }
    other = part_of(QUICK.model_copy(update={"seed": 43}), inputs, 0, tmp_path / "third")
    assert contents(other)["best.ckpt"] != first["best.ckpt"]


def test_test_rows_choose_nothing(inputs: Inputs, tmp_path: Path) -> None:
    before = contents(part_of(QUICK, inputs, 0, tmp_path / "before"))
    rewrite(inputs, 0, {slide: {"label": "no"} for slide in slides(inputs, 0, "test")})
    after = contents(part_of(QUICK, inputs, 0, tmp_path / "after"))
    for name in ("best.ckpt", "history.json", "preds_val.parquet", "embeddings.npy", "fold.json"):
        assert before[name] == after[name], name
    assert before["preds_test.parquet"] != after["preds_test.parquet"]


def test_val_rows_choose_the_epoch_and_never_move_a_weight(inputs: Inputs, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"patience": 99})
    before = json.loads((part_of(settings, inputs, 0, tmp_path / "before") / "history.json").read_text())
    flipped = {"yes": "no", "no": "yes"}
    frame = read_fold(inputs["split"], 0).set_index("slide_id")["label"]
    rewrite(inputs, 0, {slide: {"label": flipped[frame[slide]]} for slide in slides(inputs, 0, "val")})
    folder = part_of(settings, inputs, 0, tmp_path / "after")
    after = json.loads((folder / "history.json").read_text())
    assert [row["train_loss"] for row in before] == [row["train_loss"] for row in after]
    assert [row["val_loss"] for row in before] != [row["val_loss"] for row in after]
    facts = json.loads((folder / "fold.json").read_text())
    assert facts["best_epoch"] == int(np.argmin([row["val_loss"] for row in after]))


def test_what_is_written_comes_from_the_checkpoint_that_is_written(inputs: Inputs, tmp_path: Path) -> None:
    folder = part_of(QUICK, inputs, 1, tmp_path / "out")
    facts = json.loads((folder / "fold.json").read_text())
    val = predictions.read_predictions(folder / "preds_val.parquet", TASK)
    chosen = np.where(val["label"] == "yes", val["prob_yes"], val["prob_no"])
    assert -np.log(chosen).mean() == pytest.approx(facts["val_loss"], abs=1e-12)
    classifier = load_checkpoint(folder / "best.ckpt").model
    assert classifier.outputs == ("no", "yes")
    embeddings, ids = predictions.read_embeddings(folder)
    assert ids["slide_id"].tolist() == sorted(ids["slide_id"])
    assert set(ids["role"]) == {"train", "val", "test"}
    head = torch.softmax(classifier.head(torch.from_numpy(embeddings.copy())), dim=1)[:, 1].detach().numpy()
    test = predictions.read_predictions(folder / "preds_test.parquet", TASK)
    np.testing.assert_allclose(head[ids["role"] == "test"], test["prob_yes"], atol=1e-6)


def test_a_fold_is_known_by_what_determines_it_and_nothing_else(inputs: Inputs) -> None:
    def identities(settings: TrainSettings = QUICK, given: Inputs = inputs) -> list[str]:
        return [json.dumps(dict(part.identity), sort_keys=True) for part in parts(settings, given)]

    before = identities()
    assert len(set(before)) == 3
    assert identities(QUICK.model_copy(update={"device": "cuda"})) == before
    assert not set(identities(QUICK.model_copy(update={"lr": 1e-3}))) & set(before)
    assert not set(identities(QUICK.model_copy(update={"seed": 1}))) & set(before)
    assert not set(identities(given=replace(inputs, digests={"mmap": "other", "split": ""}))) & set(before)
    rewrite(inputs, 1, {slides(inputs, 1, "train")[0]: {"role": "val"}})
    after = identities()
    assert [new == old for new, old in zip(after, before, strict=True)] == [True, False, True]


def test_several_classes_have_no_threshold_and_say_why(tmp_path: Path, three_classes: Inputs) -> None:
    out = whole(QUICK, three_classes, tmp_path / "out")
    assert list(predictions.read_oof(out, Classification(["c10", "c9", "c1"])).filter(like="prob_").columns) == [
        "prob_c10",
        "prob_c9",
        "prob_c1",
    ]
    facts = predictions.read_cv_results(out)["per_fold"][0]
    assert facts["threshold"] is None
    assert facts["threshold_reason"] == "a threshold is defined for two classes"


def test_val_rows_of_one_class_choose_by_loss_and_give_no_threshold(inputs: Inputs, tmp_path: Path) -> None:
    yes = [s for s in slides(inputs, 0, "val") if int(s[-2:]) % 2]
    rewrite(inputs, 0, {slide: {"role": "train"} for slide in yes})
    folder = part_of(QUICK, inputs, 0, tmp_path / "loss")
    facts = json.loads((folder / "fold.json").read_text())
    assert facts["threshold"] is None
    assert facts["threshold_reason"] == "the rows hold one class only"
    assert facts["val_auroc"] is None
    with pytest.raises(StageError, match=r"contain only one class.*val_auroc.*train\.monitor=val_loss"):
        part_of(QUICK.model_copy(update={"monitor": "val_auroc"}), inputs, 0, tmp_path / "auroc")


@pytest.mark.parametrize(
    "change", [{"balance": "loss"}, {"balance": "sampling"}, {"loss": "focal"}, {"max_patches": 2}]
)
def test_every_way_of_training_learns_the_cohort_in_its_own_way(
    inputs: Inputs, tmp_path: Path, change: dict[str, object]
) -> None:
    rewrite(inputs, 0, {slide: {"role": "val"} for slide in slides(inputs, 0, "train")[:6:2]})  # unequal classes
    plain = part_of(QUICK, inputs, 0, tmp_path / "plain")
    other = part_of(QUICK.model_copy(update=change), inputs, 0, tmp_path / "other")
    assert contents(plain)["best.ckpt"] != contents(other)["best.ckpt"]
    test = predictions.read_predictions(other / "preds_test.parquet", TASK)
    assert ((test["prob_yes"] > test["prob_no"]) == (test["label"] == "yes")).mean() >= 0.75


def test_monitoring_auroc_keeps_the_epoch_of_lowest_loss_among_those_of_the_highest_auroc(
    inputs: Inputs, tmp_path: Path
) -> None:
    folder = part_of(QUICK.model_copy(update={"monitor": "val_auroc"}), inputs, 0, tmp_path / "out")
    history = json.loads((folder / "history.json").read_text())
    facts = json.loads((folder / "fold.json").read_text())
    top = [row for row in history if row["val_auroc"] == max(row["val_auroc"] for row in history)]
    assert len(top) > 1  # four val slides: many epochs rank them perfectly
    assert facts["best_epoch"] == min(top, key=lambda row: row["val_loss"])["epoch"] > top[0]["epoch"]


@pytest.mark.parametrize("role", ["train", "val", "test"])
def test_a_role_without_rows_is_an_error(inputs: Inputs, tmp_path: Path, role: str) -> None:
    other = "val" if role == "test" else "test"
    rewrite(inputs, 0, {slide: {"role": other} for slide in slides(inputs, 0, role)})
    with pytest.raises(StageError, match=f"fold 0: no {role} rows"):
        part_of(QUICK, inputs, 0, tmp_path / "out")


def test_a_class_without_training_rows_is_an_error(inputs: Inputs, tmp_path: Path) -> None:
    yes = [s for s in slides(inputs, 0, "train") if int(s[-2:]) % 2]
    rewrite(inputs, 0, {slide: {"role": "val"} for slide in yes})
    with pytest.raises(StageError, match=r"fold 0: a class has no training rows; got yes"):
        part_of(QUICK, inputs, 0, tmp_path / "out")


def test_a_label_that_is_no_class_is_an_error(inputs: Inputs, tmp_path: Path) -> None:
    rewrite(inputs, 0, {slides(inputs, 0, "train")[0]: {"label": "maybe"}})
    with pytest.raises(ArtifactError, match=r"fold 0: a label is not a class of the model.*got \['maybe'\]"):
        part_of(QUICK, inputs, 0, tmp_path / "out")


def test_a_slide_without_features_is_an_error(inputs: Inputs, tmp_path: Path) -> None:
    frame = read_fold(inputs["split"], 0)
    frame.loc[0, "slide_id"] = "lost"
    write_table(frame, inputs["split"] / "fold_0.parquet")
    with pytest.raises(ArtifactError, match="no such slide in the store; got lost"):
        part_of(QUICK, inputs, 0, tmp_path / "out")


def test_a_damaged_part_does_not_pass_the_check(inputs: Inputs, tmp_path: Path) -> None:
    out = whole(QUICK, inputs, tmp_path / "out")
    table = pd.read_parquet(out / "fold_0" / "preds_test.parquet")
    (out / "fold_0" / "preds_test.parquet").unlink()
    write_table(table.iloc[1:], out / "fold_0" / "preds_test.parquet")
    with pytest.raises(ArtifactError):
        check(out)


@pytest.mark.real
def test_one_fold_of_real_lung_slides_ranks_the_subtypes(lung: Inputs, tmp_path: Path) -> None:
    settings = TrainSettings(model={"name": "abmil", "hidden": 64, "attention": 32}, epochs=5, lr=1e-3)
    folder = part_of(settings, lung, 0, tmp_path / "out")
    task = read_task(read_splits(lung["split"]), lung["split"])
    test = predictions.read_predictions(folder / "preds_test.parquet", task)
    positive = test.loc[test["label"] == "LUSC", "prob_LUSC"].to_numpy()
    negative = test.loc[test["label"] == "LUAD", "prob_LUSC"].to_numpy()
    assert len(positive) > 35
    assert (positive[:, None] > negative[None]).mean() > 0.85


def test_part_keys_are_folder_names(inputs: Inputs) -> None:
    found: list[Part] = parts(QUICK, inputs)
    assert [part.key for part in found] == ["fold_0", "fold_1", "fold_2"]
    shutil.rmtree(inputs["mmap"])  # planning reads no features
    assert len(parts(QUICK, inputs)) == 3


def test_a_refitted_fold_is_trained_on_train_and_val_rows_for_the_selected_epochs(
    inputs: Inputs, tmp_path: Path
) -> None:
    plain, refit = (
        part_of(QUICK.model_copy(update={"refit_fold": refits}), inputs, 0, tmp_path / str(refits))
        for refits in (False, True)
    )
    before, after = contents(plain), contents(refit)
    assert before["preds_val.parquet"] == after["preds_val.parquet"], "predictions of slides that were not trained on"
    assert before["history.json"] == after["history.json"]
    assert before["best.ckpt"] != after["best.ckpt"]
    facts, refitted = (json.loads((folder / "fold.json").read_text()) for folder in (plain, refit))
    assert refitted == facts | {"refit": {"epochs": facts["best_epoch"] + 1}}
    rewrite(inputs, 0, {slides(inputs, 0, "test")[0]: {"label": "no"}})
    again = part_of(QUICK.model_copy(update={"refit_fold": True}), inputs, 0, tmp_path / "again")
    assert contents(again)["best.ckpt"] == after["best.ckpt"], "test rows change no weight"
    test = predictions.read_predictions(refit / "preds_test.parquet", TASK)
    assert ((test["prob_yes"] > 0.5) == (test["label"] == "yes")).mean() >= 0.75
