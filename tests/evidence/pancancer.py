"""Probes of OncoTree codes and organs of the pan-cancer cohort: pairs of codes, and all frequent ones."""

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
from .kept import probed
from .weights import LABEL_FREE, SEEDS, Inputs

FREQUENT = 20
"""Minimum number of held patients of a code or an organ."""
CODE = "oncotree_code"


class Target(NamedTuple):
    """Which classes a probe distinguishes."""

    name: str
    column: str
    classes: Sequence[str]

    @classmethod
    def of_pair(cls, pair: tuple[str, str]) -> Target:
        """Two OncoTree codes."""
        return cls("-".join(pair), CODE, pair)


class Study(NamedTuple):
    """What is probed of which patients, with which weights."""

    name: str
    table: str
    targets: Sequence[Target]
    reference: str
    """The table whose means whiten the means."""
    budgets: Sequence[Budget]
    weights: Mapping[str, Sequence[Path]]
    draws: int = 10


def choice(inputs: Inputs) -> Study:
    """The study that chose the recipe: pairs whose codes the pretrainings have not seen."""
    weights = {"supervised": [inputs.pretrain("choice", "supervised", 1)]}
    weights["simclr"] = [inputs.label_free("choice", "simclr", 1)]
    weights["simclr of the pairs"] = [inputs.label_free("pairs", "simclr", 1)]
    targets = [Target.of_pair(pair) for pair in cohorts.PAIRS]
    return Study("choice", "development", targets, "choice", (Budget(0.1), Budget(0.25)), weights)


def held_pairs(inputs: Inputs) -> Study:
    """Pairs of patients whom no pretraining has seen; 11 to 27 per class, of MFS 4."""
    pairs = (("UEC", "USC"), ("SEM", "NSGCT"), ("THPA", "THFO"), ("GBM", "ODG"), ("HNSC", "CESC"), ("MFS", "DDLS"))
    targets, budgets = [Target.of_pair(pair) for pair in pairs], (Budget(0.25), Budget(1.0))
    return Study("held pairs", "held", targets, "development", budgets, _weights(inputs))


def held_classes(inputs: Inputs) -> Study:
    """All frequent codes and organs of patients whom no pretraining has seen."""
    table, targets = pd.read_csv(inputs.pancancer / "held.csv", dtype=str), []
    for column in (CODE, "organ"):
        patients = table.groupby(column)["case_id"].nunique()
        targets.append(Target(column, column, sorted(patients.index[patients >= FREQUENT])))
    return Study("held classes", "held", targets, "development", (Budget(0.25),), _weights(inputs), draws=5)


def compare_study(inputs: Inputs, study: Study) -> pd.DataFrame:
    """One row per target, budget and arm."""
    store, protocol = Store(inputs.store("pancancer")), Protocol(folds=4, draws=study.draws, resamples=500)
    table = pd.read_csv(inputs.pancancer / f"{study.table}.csv", dtype=str)
    arms, rows = _arms(inputs, store, study), list[dict[str, object]]()
    for target in study.targets:
        own = table[table[target.column].isin(target.classes)]
        numbers = [store.number(name) for name in own["slide_id"]]
        cohort = ProbeCohort.of(own[target.column].tolist(), own["case_id"].tolist(), target.name)
        here = {name: Arm([z[numbers] for z in arm.embeddings]) for name, arm in arms.items()}
        folder = inputs.workspace / "probed" / study.name / target.name
        for budget in study.budgets:
            predictions = {name: probed(folder, name, arm, cohort, protocol, budget) for name, arm in here.items()}
            compared = Comparison(predictions, cohort, protocol)
            for name in predictions:
                row = {"target": target.name, "classes": len(target.classes), "labelled": str(budget), "arm": name}
                row |= {"seeds": len(predictions[name]), **vars(compared.value(name))}
                rows.append(row | {f"versus_{key}": x for key, x in vars(compared.difference(name, "mean")).items()})
    return pd.DataFrame(rows)


def _weights(inputs: Inputs) -> dict[str, list[Path]]:
    """Name → folders of the weights of all patients who are not held, one per seed."""
    weights = {"supervised, pan-cancer": [inputs.pretrain("development", "supervised", seed) for seed in SEEDS]}
    for method in LABEL_FREE:
        weights[f"{method}, pan-cancer"] = [inputs.label_free("development", method, seed) for seed in SEEDS]
    return weights


def _arms(inputs: Inputs, store: Store, study: Study) -> dict[str, Arm]:
    mean = pooled(store)["mean"]
    names = pd.read_csv(inputs.pancancer / f"{study.reference}.csv", dtype=str)["slide_id"]
    white = whitened(mean, mean[[store.number(name) for name in names]])
    arms = {"mean": Arm([mean]), "mean, whitened on pan-cancer": Arm([white])}
    for name, folders in study.weights.items():
        own = Arm([embed_weights(folder, store) for folder in folders])
        arms |= {name: own, f"mean and {name}": own.joined(mean)}
    return arms
