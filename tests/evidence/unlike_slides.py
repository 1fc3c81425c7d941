"""How often slides are flagged as unlike the training slides: a table of docs/evidence.md.

usage: python -m tests.evidence.unlike_slides EXPERIMENT PANCANCER

EXPERIMENT is the folder of a cross-validated experiment on TCGA lung in a workspace, PANCANCER a folder with features
of slides of other organs. Statistics and limit of a fold are those of its own training and validation slides.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from oceanpath.artifacts.features.files import find_features, read_features, scan_features
from oceanpath.artifacts.predictions import read_cv_results, read_embeddings
from oceanpath.artifacts.store.reader import Store
from oceanpath.stages.export.feature_statistics import describe_similarity


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    experiment, pancancer = (Path(text) for text in sys.argv[1:])
    store = Store(experiment / "mmap")
    others = np.array([_mean(read_features(scan_features(path))[0]) for path in find_features(pancancer).values()])
    flagged, tested = 0, 0
    for fold in range(read_cv_results(experiment / "train")["folds"]):
        table = read_embeddings(experiment / "train" / f"fold_{fold}")[1]
        training = table[table["role"] != "test"]
        statistics, facts = describe_similarity(
            store, dict(zip(training["slide_id"], training["patient_id"], strict=True))
        )
        assert statistics is not None
        assert facts.limit is not None
        names = table.loc[table["role"] == "test", "slide_id"]
        own = statistics.distances(np.array([_mean(store.features(store.number(name))) for name in names]))
        far = statistics.distances(others)
        auroc = roc_auc_score(np.repeat([0, 1], [len(own), len(far)]), np.concatenate([own, far]))
        flagged, tested = flagged + int((own > facts.limit).sum()), tested + len(own)
        print(f"fold {fold}: limit {facts.limit:.2f}, flagged {(own > facts.limit).sum()} of {len(own)} test slides")
        print(f"  and {(far > facts.limit).mean():.1%} of {len(far)} other slides, AUROC {auroc:.3f}")
    print(f"flagged {flagged} of {tested} test slides ({flagged / tested:.2%})")


def _mean(bag: NDArray[np.floating]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = bag.mean(axis=0, dtype=np.float64)
    return mean


if __name__ == "__main__":
    main()
