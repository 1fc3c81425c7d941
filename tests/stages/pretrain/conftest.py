"""A store of 24 slides of 12 patients, and trainings of small methods on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.store.reader import Store
from oceanpath.models.settings import ABMILSettings
from oceanpath.pipeline.stage import Inputs
from oceanpath.ssl.distributed import WHOLE, Share
from oceanpath.stages.pretrain.cohort import read_cohorts
from oceanpath.stages.pretrain.prepare import prepare_training
from oceanpath.stages.pretrain.settings import PretrainSettings
from oceanpath.stages.pretrain.training import Training

from ...conftest import write_store
from ...ssl.bags import DIM, SMALL

SLIDES = [f"s{i:02d}" for i in range(24)]


def slide_store(path: Path, coords: bool = True) -> Store:
    """Slides with means of their own and 8 to 20 patches."""
    random = np.random.default_rng(0)
    bags = {
        name: random.normal(size=DIM) + 0.7 * random.normal(size=(8 + i % 13, DIM)) for i, name in enumerate(SLIDES)
    }
    places = {name: random.integers(0, 9000, (len(bag), 2)).astype(np.int32) for name, bag in bags.items()}
    return write_store(path, bags, places if coords else False)


def table(path: Path) -> Path:
    rows = [f"{name},p{i // 2},{'abc'[i % 3]}" for i, name in enumerate(SLIDES)]
    path.write_text("\n".join(["slide_id,patient_id,label", *rows]) + "\n")
    return path


def small_settings(name: str, table: Path, /, **keys: object) -> PretrainSettings:
    method = {"name": name, **SMALL[name], **keys.pop("method", {})}  # type: ignore[dict-item]  # a table of keys
    model = ABMILSettings(hidden=16, attention=8, dropout=keys.pop("dropout", 0.1))
    base: dict[str, object] = {"max_steps": 9, "batch_size": 6, "val_fraction": 0.3, "monitor_every": 4}
    return PretrainSettings.model_validate(
        {**base, "checkpoint_every": 2, "lr": 3e-3, "data_labels": table, **keys, "method": method, "model": model}
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return slide_store(tmp_path_factory.mktemp("pretrain") / "store")


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return table(tmp_path / "cohort.csv")


Build = Callable[..., Training]


@pytest.fixture
def build(store: Store, labels: Path) -> Build:
    """``build("vicreg", max_steps=9)``: a training at its first step."""

    def prepare(name: str, share: Share = WHOLE, **keys: object) -> Training:
        settings = small_settings(name, labels, **keys)
        (cohort,) = read_cohorts(settings, Inputs(), store.slide_ids, labelled=name == "supervised")
        return prepare_training(settings, store, cohort, store.path.parent / "tables", share=share)

    return prepare
