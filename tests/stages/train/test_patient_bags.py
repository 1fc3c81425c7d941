"""Training on bags of patients, whole and killed, and what its results depend on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.folds import write_folds
from oceanpath.artifacts.patient_bags import FILE, one_row_per_patient, write_patient_bags
from oceanpath.artifacts.store.patients import open_bags
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.predict import predict
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.train.fold import fit_fold
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stages.train.work import parts

from ...conftest import write_store
from .conftest import CLASSES, cohort, fold_frames
from .test_work import contents

SETTINGS = {
    "epochs": 4,
    "lr": 1e-2,
    "max_patches": 12,
    "checkpoint_seconds": 0.0,
    "model": {"name": "transmil", "hidden": 16, "heads": 2},
}


class KilledError(BaseException):
    """Ends a training as a kill does: nothing after it is executed."""


class Epochs(Quiet):
    """Counts the epochs, and ends the process after two of them."""

    done = 0

    def advance(self, count: int = 1) -> None:
        self.done += count
        if self.done == 2:
            raise KilledError


@pytest.fixture
def patients(tmp_path: Path) -> Inputs:
    """24 patients with 1, 2 or 5 slides with coordinates."""
    random, table = np.random.default_rng(0), cohort(CLASSES)
    rows, bags, coords = [], {}, {}
    for number, row in enumerate(table.itertuples()):
        for slide in range((1, 2, 5)[number % 3]):
            name, n = f"{row.slide_id}_{slide}", int(random.integers(2, 9))
            bags[name] = random.normal(size=(n, 6))
            bags[name][:, CLASSES.index(str(row.label))] += 3.0
            coords[name] = (np.stack([np.arange(n) % 3, np.arange(n) // 3], axis=1) * 256 + 100 * slide).astype(
                np.int32
            )
            rows.append((name, row.slide_id, row.label, row.block))
    slides = pd.DataFrame(rows, columns=["slide_id", "patient_id", "label", "block"])
    write_store(tmp_path / "store", bags, coords)
    split = tmp_path / "split"
    split.mkdir()
    splits = {"scheme": "kfold", "seed": 0, "classes": CLASSES, "bag": "patient", "excluded": [], "balance": {}}
    write_folds(split, [one_row_per_patient(fold) for fold in fold_frames(one_row_per_patient(slides))], splits)
    write_patient_bags(slides, split)
    return Inputs({"mmap": tmp_path / "store", "split": split}, {"mmap": "digest-of-store", "split": "unused"})


@pytest.mark.skipif("OCEANPATH_KILLS" not in os.environ, reason="run by `nox -s kills`")
def test_a_killed_training_is_resumed_with_the_same_bytes(patients: Inputs, tmp_path: Path) -> None:
    settings = TrainSettings.model_validate(SETTINGS)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    fit_fold(settings, patients, 0, tmp_path / "whole", Quiet())
    with pytest.raises(KilledError):
        fit_fold(settings, patients, 0, tmp_path / "killed", Epochs())
    fit_fold(settings, patients, 0, tmp_path / "killed", Quiet())
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    facts = json.loads((tmp_path / "whole" / "fold.json").read_text())
    assert sum(facts["slides"].values()) == 24
    stored = pd.read_parquet(tmp_path / "whole" / "preds_test.parquet")
    model, objective = load_checkpoint(tmp_path / "whole" / "best.ckpt")
    store = open_bags(patients["mmap"], patients["split"])
    outputs = predict(model, store, [store.number(name) for name in stored["slide_id"]], "cpu").outputs
    assert np.array_equal(objective.values(outputs), stored[[f"prob_{name}" for name in CLASSES]].to_numpy())


def test_other_slides_of_a_patient_make_another_training(patients: Inputs) -> None:
    settings = TrainSettings.model_validate(SETTINGS)
    before = [part.identity for part in parts(settings, patients)]
    path = patients["split"] / FILE
    bags = pd.read_parquet(path)
    write_patient_bags(bags[bags["slide_id"] != "slide_01_1"], patients["split"])
    after = [part.identity for part in parts(settings, patients)]
    assert all(a != b and set(a) == set(b) for a, b in zip(before, after, strict=True))
    path.unlink()
    assert all("patient_bags" not in part.identity for part in parts(settings, patients))
