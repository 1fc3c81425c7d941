"""Does a pretraining learn the order of tissue in space? The spatial table of docs/evidence.md.

usage: python -m tests.evidence.spatial_study WORKSPACE TILES COORDS [KEY=VALUE ...]
TILES: features of the tiles of Kather et al. (npz); COORDS: folder with the coordinates of four slides (h5).
KEY=VALUE: settings of spatial.toml. Results that are in WORKSPACE are not computed again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.store.reader import Store
from oceanpath.probing.arms import Arm, embed_weights, weight_files
from oceanpath.probing.comparison import Comparison
from oceanpath.probing.embeddings import embed_store, pooled, random_aggregator
from oceanpath.probing.protocol import Budget, ProbeCohort, Protocol

from .spatial import coordinate_slides, write_bags
from .weights import Inputs

SEEDS = (1, 2, 3, 4, 5)
PER_SLIDE = 400
"""Bags per coordinate slide."""
BUDGETS = (Budget(0.03), Budget(0.1), Budget(1.0))


def main() -> None:
    if len(sys.argv) < 4 or not all("=" in text for text in sys.argv[4:]):
        sys.exit(__doc__)
    workspace, tiles, coords = (Path(text) for text in sys.argv[1:4])
    folds = [workspace / "bags" / str(tested) for tested in range(len(coordinate_slides(coords)))]
    for tested, bags in enumerate(folds):
        if not (bags / "cohort.csv").exists():
            write_bags(tiles, coords, bags, tested, PER_SLIDE)
    tables = [study(workspace, folds, layout, sys.argv[4:]) for layout in ("", "shuffled")]
    table = pd.concat(tables)
    table.to_csv(workspace / "spatial.csv", index=False)
    print(table.round(3).to_string(index=False))


def study(workspace: Path, folds: list[Path], layout: str, sets: list[str]) -> pd.DataFrame:
    """One row per budget and arm, of bags with the coordinates of `layout`: "" for the true ones, or shuffled."""
    table = pd.read_csv(folds[0] / "cohort.csv", dtype=str)  # ids and labels are those of all folds
    labelled = ProbeCohort.of(table["label"].tolist(), table["patient_id"].tolist(), folds[0])
    cohort = ProbeCohort(labelled.labels, labelled.patients, table["fold"].to_numpy(np.int64))
    protocol = Protocol(folds=len(folds), draws=20, resamples=1000)
    arms = _arms([_embed(workspace, bags, layout, sets) for bags in folds])
    rows = []
    for budget in BUDGETS:
        predictions = {key: arm.predict(cohort, protocol, budget) for key, arm in arms.items()}
        compared = Comparison(predictions, cohort, protocol)
        for key in arms:
            row = {"coordinates": layout or "true", "labelled": str(budget), "arm": key, **vars(compared.value(key))}
            rows.append(row | {f"versus_mean_{k}": v for k, v in vars(compared.difference(key, "mean")).items()})
    return pd.DataFrame(rows)


def _embed(workspace: Path, bags: Path, layout: str, sets: list[str]) -> dict[str, list[NDArray[np.float32]]]:
    """Arm → one [S, E] per seed: the bags of one fold, whose tested bags no pretraining has seen."""
    inputs, own = Inputs(workspace, bags, bags), [f"data.labels={bags / 'train.csv'}", *sets]
    name = "_".join(filter(None, ("spatial", bags.name, layout, *(text.split("=")[-1] for text in sets))))
    runs = [
        inputs.run("pretrain", "spatial", bags / layout, f"{name}_{seed}", [*own, f"seed={seed}"]) for seed in SEEDS
    ]
    store = Store(runs[0] / "mmap")
    some = weight_files(runs[0] / "pretrain")[0]
    return {
        "mean": [pooled(store)["mean"]],
        "random weights": [embed_store(random_aggregator(some, seed), store) for seed in SEEDS],
        "pretrained": [embed_weights(run / "pretrain", store) for run in runs],
    }


def _arms(of_folds: list[dict[str, list[NDArray[np.float32]]]]) -> dict[str, Arm]:
    """Arms whose embeddings [F, S, E] are those of each fold."""
    return {
        name: Arm([np.stack(each) for each in zip(*(fold[name] for fold in of_folds), strict=True)])
        for name in of_folds[0]
    }


if __name__ == "__main__":
    main()
