"""Labels that are permuted between patients: AUROC by selection on inner validation rows, and on the reported rows.

    python -m tests.evidence.permuted BAGS.npz PERMUTATIONS

BAGS.npz is musk1, elephant or fox, or the bags of TCGA lung. The epoch is selected by the AUROC of the validation rows
(`selection = "inner"`) or of the test rows (`"reported"`); the mean of the folds' test AUROCs is printed with a 95 %
interval over the permutations.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from oceanpath.artifacts.predictions import read_cv_results, read_oof
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.split import work as split
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.train import work as train
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stats.discrimination import auroc
from oceanpath.tasks.registry import read_task

from ..conftest import write_store

SELECTIONS = ("inner", "reported")
TRAIN: dict[str, Any] = {"model": {"name": "abmil"}, "epochs": 12, "patience": 12, "batch_size": 16, "device": "cpu"}


def read_bags(path: Path) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Slide → features, and the table slide_id, patient_id, label."""
    with np.load(path) as arrays:
        if "X" in arrays:
            x, bags, labels = (arrays[key] for key in ("X", "bag_id", "bag_label_per_instance"))
            scaled = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)
            numbers = np.unique(bags)
            names = [f"bag_{number:03d}" for number in numbers]
            label = [f"class {int(labels[bags == number][0] > 0)}" for number in numbers]
            table = pd.DataFrame({"slide_id": names, "patient_id": names, "label": label})
            return {name: scaled[bags == number] for name, number in zip(names, numbers, strict=True)}, table
        features, offsets, names = arrays["features"], arrays["offsets"], arrays["slide_id"].tolist()
        table = pd.DataFrame({"slide_id": names, "patient_id": arrays["case_id"], "label": arrays["label"]})
        return {name: features[offsets[i] : offsets[i + 1]] for i, name in enumerate(names)}, table


def permuted(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The table with the labels of patients permuted between them."""
    labels = table.groupby("patient_id")["label"].first()
    mixed = dict(zip(labels.index, np.random.default_rng(seed).permutation(labels.to_numpy()), strict=True))
    return table.assign(label=table["patient_id"].map(mixed))


def area(inputs: Inputs, selection: str, seed: int, root: Path) -> float:
    """The mean of the folds' test AUROCs."""
    values = {**TRAIN, "selection": selection, "monitor": "val_auroc", "seed": seed}
    settings, made = TrainSettings.model_validate(values), dict[str, Path]()
    for part in train.parts(settings, inputs):
        made[part.key] = root / part.key
        made[part.key].mkdir(parents=True)
        train.run_part(settings, inputs, part, made[part.key], Quiet())
    (root / "train").mkdir()
    train.run(settings, replace(inputs, parts=made), root / "train", Quiet())
    results = read_cv_results(root / "train")
    assert results["selected"] is (selection == "reported")
    task = read_task(results, root)
    folds = read_oof(root / "train", task).groupby("fold")
    areas = [auroc(task.targets(rows["label"].tolist()), task.values(rows)).value for _, rows in folds]
    return float(np.mean([value for value in areas if value is not None]))


def main(path: Path, permutations: int) -> None:
    """Print one line per selection."""
    bags, table = read_bags(path)
    found: dict[str, list[float]] = {name: [] for name in SELECTIONS}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write_store(store, bags)
        for seed in range(permutations):
            root = Path(folder) / str(seed)
            (root / "split").mkdir(parents=True)
            permuted(table, seed).to_csv(root / "cohort.csv", index=False)
            classes = tuple(sorted(set(table["label"])))
            settings = SplitSettings(labels=root / "cohort.csv", classes=classes, folds=5, seed=seed)
            split.run(settings, Inputs({"mmap": store}), root / "split", Quiet())
            inputs = Inputs({"mmap": store, "split": root / "split"}, {"mmap": "store", "split": ""})
            for name in SELECTIONS:
                found[name].append(area(inputs, name, seed, root / name))
            print(seed, {name: round(values[-1], 3) for name, values in found.items()}, flush=True)
    for name, values in found.items():
        half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
        mean = float(np.mean(values))
        print(f"{path.stem} {name}: {mean:.3f} ({mean - half:.3f} to {mean + half:.3f}), {len(values)} permutations")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
