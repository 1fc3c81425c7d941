"""Probes of pairs of OncoTree codes of the pan-cancer cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from oceanpath.artifacts.store.reader import Store
from oceanpath.probing.arms import Arm, embed_weights
from oceanpath.probing.comparison import Comparison
from oceanpath.probing.embeddings import pooled, whitened
from oceanpath.probing.protocol import Budget, ProbeCohort, Protocol

from . import cohorts
from .weights import LABEL_FREE, SEEDS, Inputs


class PairStudy(NamedTuple):
    """Which pairs of which patients are probed, with which weights."""

    table: str
    pairs: Sequence[tuple[str, str]]
    reference: str
    """The table whose means whiten the means."""
    budgets: Sequence[Budget]
    weights: Mapping[str, Sequence[Path]]


def choice(inputs: Inputs) -> PairStudy:
    """The study that chose the recipe: pairs whose codes the pretrainings have not seen."""
    weights = {"supervised": [inputs.pretrain("choice", "supervised", 1)]}
    weights["simclr"] = [inputs.label_free("choice", "simclr", 1)]
    weights["simclr of the pairs"] = [inputs.label_free("pairs", "simclr", 1)]
    return PairStudy("development", cohorts.PAIRS, "choice", (Budget(0.1), Budget(0.25)), weights)


def held(inputs: Inputs) -> PairStudy:
    """Patients whom no pretraining has seen; 11 to 27 per class, of MFS 4."""
    pairs = (("UEC", "USC"), ("SEM", "NSGCT"), ("THPA", "THFO"), ("GBM", "ODG"), ("HNSC", "CESC"), ("MFS", "DDLS"))
    weights = {"supervised, pan-cancer": [inputs.pretrain("development", "supervised", seed) for seed in SEEDS]}
    for method in LABEL_FREE:
        weights[f"{method}, pan-cancer"] = [inputs.label_free("development", method, seed) for seed in SEEDS]
    return PairStudy("held", pairs, "development", (Budget(0.25), Budget(1.0)), weights)


def compare_pairs(inputs: Inputs, study: PairStudy) -> pd.DataFrame:
    """One row per pair, budget and arm."""
    store, protocol = Store(inputs.store("pancancer")), Protocol(folds=4, draws=10, resamples=500)
    table = pd.read_csv(inputs.pancancer / f"{study.table}.csv", dtype=str)
    arms, rows = _arms(inputs, store, study), list[dict[str, object]]()
    for pair in study.pairs:
        own = table[table["oncotree_code"].isin(pair)]
        numbers = [store.number(name) for name in own["slide_id"]]
        cohort = ProbeCohort.of(own["oncotree_code"].tolist(), own["case_id"].tolist(), pair)
        for budget in study.budgets:
            here = {name: Arm([z[numbers] for z in arm.embeddings]) for name, arm in arms.items()}
            predictions = {name: arm.predict(cohort, protocol, budget) for name, arm in here.items()}
            compared = Comparison(predictions, cohort, protocol)
            for name in predictions:
                row = {"pair": "/".join(pair), "labelled": str(budget), "arm": name, **vars(compared.value(name))}
                rows.append(row | {f"versus_{key}": x for key, x in vars(compared.difference(name, "mean")).items()})
    return pd.DataFrame(rows)


def _arms(inputs: Inputs, store: Store, study: PairStudy) -> dict[str, Arm]:
    mean = pooled(store)["mean"]
    names = pd.read_csv(inputs.pancancer / f"{study.reference}.csv", dtype=str)["slide_id"]
    white = whitened(mean, mean[[store.number(name) for name in names]])
    arms = {"mean": Arm([mean]), "mean, whitened on pan-cancer": Arm([white])}
    for name, folders in study.weights.items():
        own = Arm([embed_weights(folder, store) for folder in folders])
        arms |= {name: own, f"mean and {name}": own.joined(mean)}
    return arms
