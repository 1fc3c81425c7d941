"""Probes of OncoTree pairs of the pan-cancer patients whom no pretraining saw."""

from __future__ import annotations

import numpy as np
import pandas as pd

from oceanpath.artifacts.store.reader import Store
from oceanpath.probing.arms import Arm, embed_weights
from oceanpath.probing.comparison import Comparison
from oceanpath.probing.embeddings import pooled, whitened
from oceanpath.probing.protocol import Budget, ProbeCohort, Protocol

from .lung import LABEL_FREE, SEEDS
from .weights import Inputs

PAIRS = (("UEC", "USC"), ("SEM", "NSGCT"), ("THPA", "THFO"), ("GBM", "ODG"), ("HNSC", "CESC"), ("MFS", "DDLS"))
PROTOCOL = Protocol(folds=4, draws=10, resamples=500)
BUDGETS = (Budget(0.25), Budget(1.0))
"""Each class has 11 to 28 patients."""


def compare_pairs(inputs: Inputs) -> pd.DataFrame:
    """One row per pair, budget and arm."""
    store = Store(inputs.store("pancancer"))
    held = pd.read_csv(inputs.pancancer / "held.csv", dtype=str)
    arms, rows = _arms(inputs, store), list[dict[str, object]]()
    for pair in PAIRS:
        table = held[held["oncotree_code"].isin(pair)]
        numbers = [store.number(name) for name in table["slide_id"]]
        cohort = ProbeCohort.of(table["oncotree_code"].tolist(), table["case_id"].tolist(), pair)
        for budget in BUDGETS:
            own = {name: Arm([z[numbers] for z in arm.embeddings]) for name, arm in arms.items()}
            predictions = {name: arm.predict(cohort, PROTOCOL, budget) for name, arm in own.items()}
            compared = Comparison(predictions, cohort, PROTOCOL)
            for name in predictions:
                row = {"pair": "/".join(pair), "labelled": str(budget), "arm": name}
                row |= vars(compared.value(name))
                rows.append(row | {f"versus_{key}": x for key, x in vars(compared.difference(name, "mean")).items()})
    return pd.DataFrame(rows)


def _arms(inputs: Inputs, store: Store) -> dict[str, Arm]:
    mean = pooled(store)["mean"]
    development = pd.read_csv(inputs.pancancer / "development.csv", dtype=str)["slide_id"]
    reference = mean[np.array([store.number(name) for name in development])]
    arms = {"mean": Arm([mean]), "mean, whitened on pan-cancer": Arm([whitened(mean, reference)])}
    weights = {"supervised, pan-cancer": [inputs.pretrain("development", "supervised", seed) for seed in SEEDS]}
    for method in LABEL_FREE:
        weights[f"{method}, pan-cancer"] = [inputs.label_free("development", method, seed) for seed in SEEDS]
    for name, folders in weights.items():
        own = Arm([embed_weights(folder, store) for folder in folders])
        arms |= {name: own, f"mean and {name}": own.joined(mean)}
    return arms
