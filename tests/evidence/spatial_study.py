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

from oceanpath.artifacts.store.reader import Store
from oceanpath.probing.arms import Arm, embed_weights, weight_files
from oceanpath.probing.comparison import Comparison
from oceanpath.probing.embeddings import embed_store, pooled, random_aggregator
from oceanpath.probing.protocol import Budget, ProbeCohort, Protocol

from .spatial import write_bags
from .weights import Inputs

SEEDS = (1, 2, 3, 4, 5)
PER_SLIDE = 120
"""Bags per coordinate slide."""
PROTOCOL = Protocol(folds=4, draws=20, resamples=1000)
BUDGETS = (Budget(0.1), Budget(1.0))


def main() -> None:
    if len(sys.argv) < 4 or not all("=" in text for text in sys.argv[4:]):
        sys.exit(__doc__)
    workspace, tiles, coords = (Path(text) for text in sys.argv[1:4])
    bags = workspace / "bags"
    if not (bags / "splits").is_dir():
        write_bags(tiles, coords, bags, PER_SLIDE, seed=0)
    tables = [study(workspace, bags, name, sys.argv[4:]) for name in ("", "shuffled")]
    table = pd.concat(tables)
    table.to_csv(workspace / "spatial.csv", index=False)
    print(table.round(3).to_string(index=False))


def study(workspace: Path, bags: Path, layout: str, sets: list[str]) -> pd.DataFrame:
    """One row per budget and arm, of bags with the coordinates of `layout`: "" for the true ones, or shuffled."""
    inputs = Inputs(workspace, bags, bags)
    own = [f"data.labels={bags / 'cohort.csv'}", f"split.file={bags / 'splits'}", *sets]
    name = "_".join(filter(None, ("spatial", layout, *(text.split("=")[-1] for text in sets))))
    runs = [
        inputs.run("pretrain", "spatial", bags / layout, f"{name}_{seed}", [*own, f"seed={seed}"]) for seed in SEEDS
    ]
    store = Store(runs[0] / "mmap")
    table = pd.read_csv(bags / "cohort.csv", dtype=str).set_index("slide_id").loc[store.slide_ids]
    labelled = ProbeCohort.of(table["label"].tolist(), table["patient_id"].tolist(), bags)
    cohort = ProbeCohort(labelled.labels, labelled.patients, table["fold"].to_numpy(np.int64))
    some = weight_files(runs[0] / "pretrain")[0]
    arms = {
        "mean": Arm([pooled(store)["mean"]]),
        "random weights": Arm([embed_store(random_aggregator(some, seed), store) for seed in SEEDS]),
        "pretrained": Arm([embed_weights(run / "pretrain", store) for run in runs]),
    }
    rows = []
    for budget in BUDGETS:
        compared = Comparison(
            {key: arm.predict(cohort, PROTOCOL, budget) for key, arm in arms.items()}, cohort, PROTOCOL
        )
        for key in arms:
            row = {"coordinates": layout or "true", "labelled": str(budget), "arm": key, **vars(compared.value(key))}
            rows.append(row | {f"versus_mean_{k}": v for k, v in vars(compared.difference(key, "mean")).items()})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
