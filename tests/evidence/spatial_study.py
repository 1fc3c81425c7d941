"""Does a pretraining learn the order of tissue in space? The spatial table of docs/evidence.md.

usage: python -m tests.evidence.spatial_study WORKSPACE TILES COORDS [--methods SimCLR,DINO] [--seeds 1,2,3,4,5]
    [--coordinates true,shuffled]
TILES: features of the tiles of Kather et al. (npz); COORDS: folder with the coordinates of four slides (h5).
Results that are in WORKSPACE are not computed again.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
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

PRETRAININGS: dict[str, tuple[str, ...]] = {
    "SimCLR": (),
    "DINO": (
        "pretrain.method.name=dino",
        "pretrain.method.standardised=true",
        "pretrain.method.frozen_epochs=100",  # more than are trained
        "pretrain.method.local_views=0",
        "pretrain.method.prototypes=512",
        "pretrain.method.first_temperature=0.05",
        "pretrain.method.teacher_temperature=0.05",
        "pretrain.method.ema=0.9",
        "pretrain.monitor_every=400",  # the last step is kept: LiDAR is highest before the order is learned
        "pretrain.on_collapse=warn",  # the rank of assignments falls to the few dimensions in which bags differ
    ),
}
"""Settings of each method that spatial.toml does not have."""
SEEDS = "1,2,3,4,5"
PER_SLIDE = 400
"""Bags per coordinate slide."""
BUDGETS = (Budget(0.03), Budget(0.1), Budget(1.0))


@dataclass(frozen=True)
class Study:
    """What is pretrained."""

    workspace: Path
    methods: list[str]
    seeds: list[int]


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("workspace", "tiles", "coords"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--methods", default=",".join(PRETRAININGS))
    parser.add_argument("--seeds", default=SEEDS)
    parser.add_argument("--coordinates", default="true,shuffled")
    given = parser.parse_args()
    workspace, tiles, coords = given.workspace, given.tiles, given.coords
    study = Study(workspace, given.methods.split(","), [int(text) for text in given.seeds.split(",")])
    folds = [workspace / "bags" / str(tested) for tested in range(len(coordinate_slides(coords)))]
    for tested, bags in enumerate(folds):
        if not (bags / "cohort.csv").exists():
            write_bags(tiles, coords, bags, tested, PER_SLIDE)
    for layout in given.coordinates.split(","):
        table = compare(study, folds, layout.replace("true", ""))
        table.to_csv(workspace / f"spatial_{layout}.csv", index=False)
        print(table.round(3).to_string(index=False), flush=True)


def compare(study: Study, folds: list[Path], layout: str) -> pd.DataFrame:
    """One row per budget and arm, of bags with the coordinates of `layout`: "" for the true ones, or shuffled."""
    table = pd.read_csv(folds[0] / "cohort.csv", dtype=str)  # ids and labels are those of all folds
    labelled = ProbeCohort.of(table["label"].tolist(), table["patient_id"].tolist(), folds[0])
    cohort = ProbeCohort(labelled.labels, labelled.patients, table["fold"].to_numpy(np.int64))
    protocol = Protocol(folds=len(folds), draws=20, resamples=1000)
    arms = _arms([_embed(study, bags, layout) for bags in folds])
    rows = []
    for budget in BUDGETS:
        predictions = {key: arm.predict(cohort, protocol, budget) for key, arm in arms.items()}
        compared = Comparison(predictions, cohort, protocol)
        for key in arms:
            row = {"coordinates": layout or "true", "labelled": str(budget), "arm": key, **vars(compared.value(key))}
            rows.append(row | {f"versus_mean_{k}": v for k, v in vars(compared.difference(key, "mean")).items()})
    return pd.DataFrame(rows)


def _embed(study: Study, bags: Path, layout: str) -> dict[str, list[NDArray[np.float32]]]:
    """Arm → one [S, E] per seed: the bags of one fold, whose tested bags no pretraining has seen."""
    inputs = Inputs(study.workspace, bags, bags)
    runs: dict[str, list[Path]] = {name: [] for name in study.methods}
    for method, of_method in runs.items():
        name = "_".join(filter(None, ("spatial", bags.name, layout, method.lower())))
        for seed in study.seeds:
            sets = [f"data.labels={bags / 'train.csv'}", *PRETRAININGS[method], f"seed={seed}"]
            of_method.append(inputs.run("pretrain", "spatial", bags / layout, f"{name}_{seed}", sets))
    first = runs[study.methods[0]][0]
    store, some = Store(first / "mmap"), weight_files(first / "pretrain")[0]
    found = {
        "mean": [pooled(store)["mean"]],
        "random weights": [embed_store(random_aggregator(some, seed), store) for seed in study.seeds],
    }
    return found | {name: [embed_weights(run / "pretrain", store) for run in each] for name, each in runs.items()}


def _arms(of_folds: list[dict[str, list[NDArray[np.float32]]]]) -> dict[str, Arm]:
    """Arms whose embeddings [F, S, E] are those of each fold."""
    return {
        name: Arm([np.stack(each) for each in zip(*(fold[name] for fold in of_folds), strict=True)])
        for name in of_folds[0]
    }


if __name__ == "__main__":
    main()
