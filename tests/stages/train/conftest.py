from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.folds import write_folds
from oceanpath.pipeline.stage import Inputs

from ...conftest import write_store

CLASSES = ["no", "yes"]


def cohort(classes: list[str], slides: int = 24) -> pd.DataFrame:
    """One slide a patient, classes in turn; fold k tests the slides i with ``(i // len(classes)) % 3 == k``."""
    names = [f"slide_{i:02d}" for i in range(slides)]
    labels = [classes[i % len(classes)] for i in range(slides)]
    block = [(i // len(classes)) % 3 for i in range(slides)]
    return pd.DataFrame({"slide_id": names, "patient_id": names, "label": labels, "block": block})


def fold_frames(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Three folds: block k is tested, the first slide of each class of block k + 1 and k + 2 validates."""
    frames = []
    for k in range(3):
        frame = table.assign(role="train")
        frame.loc[frame["block"] == k, "role"] = "test"
        rest = frame[frame["role"] == "train"].groupby(["block", "label"]).head(1).index
        frame.loc[rest, "role"] = "val"
        frames.append(frame)
    return frames


def write_inputs(root: Path, classes: list[str], slides: int = 24, seed: int = 0) -> Inputs:
    """A store whose class c has a larger feature c, three folds, and the digests that the pipeline would give."""
    random, table = np.random.default_rng(seed), cohort(classes, slides)
    bags = {}
    for name, label in zip(table["slide_id"], table["label"], strict=True):
        bags[name] = random.normal(size=(int(random.integers(1, 12)), 6))
        bags[name][:, classes.index(label)] += 3.0
    write_store(root / "store", bags)
    (root / "split").mkdir()
    splits = {"scheme": "kfold", "seed": 0, "classes": classes, "slides": slides, "patients": slides}
    write_folds(root / "split", fold_frames(table), splits | {"excluded": [], "balance": {}})
    return Inputs({"mmap": root / "store", "split": root / "split"}, {"mmap": "digest-of-store", "split": "unused"})


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return write_inputs(tmp_path / "inputs", CLASSES)


@pytest.fixture
def three_classes(tmp_path: Path) -> Inputs:
    """Class names whose order is neither alphabetical nor numeric."""
    return write_inputs(tmp_path / "three", ["c10", "c9", "c1"], slides=27)


@pytest.fixture
def lung(tmp_path: Path) -> Inputs:
    """Four hundred patients of the TCGA lung bags: a fifth is tested, a fifth validates."""
    source = Path(__file__).resolve().parents[3] / "../shared/data/hipt_tcga_lung/tcga_lung_bags_f32.npz"
    if not source.is_file():
        pytest.skip("the TCGA lung bags are not beside the project")
    with np.load(source) as arrays:
        names, cases, labels = (arrays[key].astype(str).tolist() for key in ("slide_id", "case_id", "label"))
        features, offsets = arrays["features"], arrays["offsets"]
    patients = {
        case: i for i, case in enumerate(dict.fromkeys(np.random.default_rng(0).permutation(sorted(set(cases)))))
    }
    kept = [i for i, case in enumerate(cases) if patients[case] < 400]
    roles = ["test", "val", "train", "train", "train"]
    rows = [(names[i], cases[i], labels[i], roles[patients[cases[i]] % 5]) for i in kept]
    write_store(tmp_path / "store", {names[i]: features[offsets[i] : offsets[i + 1]] for i in kept})
    (tmp_path / "split").mkdir()
    frame = pd.DataFrame(rows, columns=["slide_id", "patient_id", "label", "role"])
    splits = {"scheme": "holdout", "seed": 0, "classes": ["LUAD", "LUSC"], "excluded": [], "balance": {}}
    write_folds(tmp_path / "split", [frame], splits)
    return Inputs({"mmap": tmp_path / "store", "split": tmp_path / "split"}, {"mmap": "lung", "split": "unused"})
