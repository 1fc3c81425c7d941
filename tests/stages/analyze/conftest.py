"""A small cohort in the formats that the parents of `analyze` publish, with checkpoints that can be loaded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from oceanpath.artifacts import metrics, predictions
from oceanpath.artifacts.features.files import FeatureMeta, write_features
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.pipeline.stage import Inputs
from oceanpath.tasks.classification import Classification

from ...conftest import write_store

DIM, CLASSES, FOLDS = 6, ["neg", "pos"], 2
TASK = Classification(CLASSES)
RECORD = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 10, "n_patients": 8, "resamples": 100, "redrawn": 0}
META: dict[str, Any] = {
    "encoder": "none", "feature_dim": DIM, "patch_px": 256, "target_mpp": 0.5, "mpp_x": 0.25, "mpp_y": 0.5,
    "mpp_source": "test", "patch_px_level0": 512.0, "level0_width": 8000, "level0_height": 4000,
    "slide_digest": "0", "tool_version": "0",
}  # fmt: skip


@dataclass
class Cohort:
    """Folders of the parents."""

    root: Path
    slides: pd.DataFrame
    parents: dict[str, Path] = field(default_factory=dict)
    variants: dict[str, Path] = field(default_factory=dict)

    @property
    def inputs(self) -> Inputs:
        return Inputs(parents=self.parents, across={"train": self.variants})

    def add_variant(self, name: str, seed: int, skill: float = 1.0) -> Path:
        folder = self.root / f"train_{name}"
        write_train(folder, self.slides, seed, skill)
        self.variants[name] = folder
        return folder


def write_train(folder: Path, slides: pd.DataFrame, seed: int, skill: float) -> None:
    """Predictions, embeddings and checkpoints of two folds; odd patients are tested by fold 1."""
    rng, tests = np.random.default_rng(seed), []
    odd = np.array([int(name[1:]) % 2 for name in slides["patient_id"]])
    for number in range(FOLDS):
        place = folder / f"fold_{number}"
        place.mkdir(parents=True)
        torch.manual_seed(seed * 10 + number)
        model = WSIClassifier(parse_model({"name": "abmil", "hidden": 8}), DIM, CLASSES)
        save_checkpoint(model, read_objective(TASK, {}), place / "best.ckpt")
        rows = slides.assign(role=np.where(odd == number, "test", "train"))
        predictions.write_embeddings(rng.normal(size=(len(rows), 8)).astype(np.float32), rows, place)
        test = rows[rows["role"] == "test"].reset_index(drop=True)
        sign = np.where(test["label"] == "pos", 1, -1)
        p = 1 / (1 + np.exp(-(sign * skill + rng.normal(size=len(test)))))
        tests.append(test.assign(prob_neg=1 - p, prob_pos=p, fold=number))
    predictions.write_predictions(pd.concat(tests), folder / "oof_predictions.parquet", TASK)
    results = {"classes": CLASSES, "folds": FOLDS, "model": {}, "scheme": "kfold", "selected": False}
    predictions.write_cv_results(results | {"per_fold": [{"fold": k} for k in range(FOLDS)]}, folder)


def write_bags(
    path: Path, slides: pd.DataFrame, has_coords: bool, footprint: float
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(1)
    bags = {name: rng.normal(size=(12, DIM)).astype(np.float32) for name in slides["slide_id"]}
    coords = np.array([(x * 512, y * 1024) for x in range(4) for y in range(3)], np.int32)
    places = dict.fromkeys(bags, coords)
    footprints = np.full(len(slides), footprint)
    write_store(path, bags, has_coords and places, "float32", patch_px_level0=footprints)
    return {name: (features, coords) for name, features in bags.items()}


def write_eval(path: Path, selected: bool) -> None:
    path.mkdir()
    group = dict.fromkeys(Classification.metrics, RECORD | ({"selected": True} if selected else {}))
    found = {
        "classes": CLASSES, "scheme": "kfold", "selected": selected, "operating_point": None, "folds": [], "notes": [],
        "level": dict.fromkeys(metrics.LEVELS, group), "floor": dict.fromkeys(Classification.baselines, group),
        "versus_baseline": dict.fromkeys(Classification.baselines, group["auroc"] | {"p": 0.01, "verdict": "better"}),
    }  # fmt: skip
    metrics.write_metrics(found, path)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Cohort]:
    """Builds a cohort of n patients with two slides each."""

    def build(
        patients: int = 12,
        has_coords: bool = True,
        footprint: float = np.nan,
        extract: bool = False,
        selected: bool = False,
    ) -> Cohort:
        owner = np.repeat(np.arange(patients), 2)
        slides = pd.DataFrame({"slide_id": [f"s{i:03d}" for i in range(len(owner))]})
        slides["patient_id"] = [f"p{number:02d}" for number in owner]
        slides["label"] = [CLASSES[number // 2 % 2] for number in owner]
        cohort = Cohort(tmp_path, slides)
        bags = write_bags(tmp_path / "mmap", slides, has_coords, footprint)
        cohort.parents = {"mmap": tmp_path / "mmap", "eval": tmp_path / "eval"}
        cohort.parents["train"] = cohort.add_variant("base", 0)
        write_eval(tmp_path / "eval", selected)
        if extract:
            (tmp_path / "extract/thumbnails").mkdir(parents=True)
            for name, (features, coords) in bags.items():
                write_features(tmp_path / f"extract/{name}.h5", features, coords, FeatureMeta(**META))
                Image.new("RGB", (160, 80), "pink").save(tmp_path / f"extract/thumbnails/{name}.jpg")
            cohort.parents["extract"] = tmp_path / "extract"
        return cohort

    return build


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
