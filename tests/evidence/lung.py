"""Arms and tables of the evidence on TCGA lung."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from oceanpath.artifacts.store.reader import Store
from oceanpath.probing.arms import Arm, embed_weights, weight_files
from oceanpath.probing.comparison import Comparison, Seeds
from oceanpath.probing.embeddings import embed_store, pooled, random_aggregator, whitened
from oceanpath.probing.protocol import Budget, ProbeCohort, Protocol
from oceanpath.probing.trained import Labelled, TrainedProbe, predict_trained

from .kept import kept, probed
from .weights import LABEL_FREE, SEEDS, Inputs

PROTOCOL = Protocol(folds=5, draws=20, resamples=1000)
FIXED = Budget(0.1)
BUDGETS = (FIXED, *(Budget(patients=2**k) for k in range(6)), *(Budget(share) for share in (0.01, 0.05, 1.0, 0.25)))


@dataclass(frozen=True)
class Lung:
    """The cohort, its arms and where predictions are kept."""

    inputs: Inputs
    slides: Labelled

    @classmethod
    def of(cls, inputs: Inputs) -> Lung:
        """Read the cohort and its folds, which are those of the pretrainings of folds."""
        store = Store(inputs.store("lung"))
        table = pd.read_csv(inputs.lung / "cohort.csv", dtype=str).set_index("slide_id").loc[store.slide_ids]
        tested = [pd.read_csv(file)["test"].dropna() for file in sorted(inputs.folds().glob("splits_?.csv"))]
        folds = np.array([next(k for k, ids in enumerate(tested) if name in set(ids)) for name in store.slide_ids])
        cohort = ProbeCohort.of(table["label"].tolist(), table["case_id"].tolist(), inputs.lung)
        return cls(inputs, Labelled(store, range(len(store)), ProbeCohort(cohort.labels, cohort.patients, folds)))

    def mean(self) -> Arm:
        """Mean pooling with logistic regression."""
        return Arm([pooled(self.slides.store)["mean"]])

    def frozen(self) -> dict[str, Arm]:
        """Every arm that a probe predicts from embeddings."""
        store, pools = self.slides.store, pooled(self.slides.store)
        mean = pools.pop("mean")
        reference = _pancancer_means(self.inputs)
        arms = {"mean": Arm([mean]), "mean, MLP": Arm([mean], "mlp"), **{name: Arm([z]) for name, z in pools.items()}}
        arms["mean, whitened on pan-cancer"] = Arm([whitened(mean, reference)])
        some = weight_files(self.weights()["supervised, pan-cancer"][0])[0]
        arms["random weights"] = Arm([embed_store(random_aggregator(some, seed), store) for seed in SEEDS])
        for name, folders in self.weights().items():
            own = Arm([embed_weights(folder, store) for folder in folders])
            arms |= {name: own, f"mean and {name}": own.joined(mean)}
        return arms

    def weights(self) -> dict[str, list[Path]]:
        """Name → folders of pretrained weights, one per seed."""
        run, label_free, folds = self.inputs.pretrain, self.inputs.label_free, self.inputs.pretrain_folds
        weights = {
            "supervised, pan-cancer": [run("development", "supervised", seed) for seed in SEEDS],
            "supervised, far codes": [run("far", "supervised", seed) for seed in SEEDS],
        }
        for method in LABEL_FREE:
            weights[f"{method}, pan-cancer"] = [label_free("development", method, seed) for seed in SEEDS]
            weights[f"{method}, folds"] = [folds(method, seed) for seed in SEEDS]
        return weights

    def trained(self, name: str, budget: Budget, draws: int) -> Seeds:
        """Predictions of ABMIL from scratch, or from the weights of that name."""
        protocol = Protocol(PROTOCOL.folds, draws, seed=PROTOCOL.seed)
        starts = [list[Path]()] if name == "scratch" else [weight_files(folder) for folder in self.weights()[name]]
        settings = TrainedProbe(frozen_epochs=1)
        folder, train = self.inputs.workspace / "trained" / name / str(budget), predict_trained
        return [
            kept(folder / f"{k}_{draws}.npz", partial(train, self.slides, protocol, budget, settings, start))
            for k, start in enumerate(starts)
        ]

    def probed(self, arms: Mapping[str, Arm], budget: Budget) -> dict[str, Seeds]:
        """Predictions of arms by probes."""
        folder, cohort = self.inputs.workspace / "probed" / "lung", self.slides.cohort
        return {name: probed(folder, name, arm, cohort, PROTOCOL, budget) for name, arm in arms.items()}


def compare(arms: Mapping[str, Arm], lung: Lung, budget: Budget, trained: Mapping[str, Seeds]) -> pd.DataFrame:
    """One row per arm: value and differences to the mean and, if it is there, to ABMIL from scratch."""
    predictions = lung.probed(arms, budget) | dict(trained)
    compared, rows = Comparison(predictions, lung.slides.cohort, PROTOCOL), []
    for name in predictions:
        row = {"labelled": str(budget), "arm": name, "seeds": len(predictions[name])}
        row |= {f"auroc_{key}": value for key, value in vars(compared.value(name)).items()}
        for baseline in ("mean", "scratch", "supervised, pan-cancer"):
            if baseline in predictions:
                difference = compared.difference(name, baseline)
                row |= {f"versus_{baseline}_{key}": value for key, value in vars(difference).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _pancancer_means(inputs: Inputs) -> np.ndarray:
    """Mean patches of the slides of the development patients."""
    store = Store(inputs.store("pancancer"))
    names = pd.read_csv(inputs.pancancer / "development.csv", dtype=str)["slide_id"]
    return np.array([store.features(store.number(name)).astype(np.float32).mean(axis=0) for name in names])
