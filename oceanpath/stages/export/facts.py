"""What the bundle says about its model, gathered from the rooms that know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts.bundle import Cohort, Contract, Estimate, Performance
from oceanpath.artifacts.features import find_features, read_meta
from oceanpath.artifacts.predictions import read_embeddings
from oceanpath.artifacts.store import Store
from oceanpath.pipeline.stage import Inputs

SHOWN = ("auroc", "auprc", "balanced_accuracy", "f1", "mcc", "brier", "ece", "sensitivity", "specificity")
MEANING = (
    "Out-of-fold estimates: every slide was judged once, by the one member that did not see its patient. "
    "They describe a single member, not the ensemble in this bundle, whose own performance was not measured."
)


def describe_features(store: Store, inputs: Inputs) -> Contract:
    """What features the model takes; patch size and resolution where OceanPath extracted them itself."""
    patch_px, target_mpp = None, None
    if (extract := inputs.get("extract")) is not None:
        first = next(iter(find_features(extract).values()))
        inputs.check("extract", [first.relative_to(extract).as_posix()])
        meta = read_meta(first)
        patch_px, target_mpp = int(meta.patch_px), float(meta.target_mpp)
    return Contract(encoder=store.index.encoder, feature_dim=store.dim, patch_px=patch_px, target_mpp=target_mpp)


def describe_cohort(train: Path, folds: int, store: Store, classes: Sequence[str]) -> Cohort:
    """Slides and patients that took any part in training, over all folds."""
    tables = [read_embeddings(train / f"fold_{number}")[1] for number in range(folds)]
    slides = pd.concat(tables).drop_duplicates("slide_id")
    lengths = np.asarray([store.length(store.number(name)) for name in slides["slide_id"]])
    counts = slides["label"].value_counts()
    return Cohort(
        slides=len(slides),
        patients=int(slides["patient_id"].nunique()),
        slides_per_class={name: int(counts.get(name, 0)) for name in classes},
        patches_median=int(np.median(lengths)),
        patches_max=int(lengths.max()),
    )


def describe_performance(metrics: Mapping[str, Any]) -> Performance:
    """The evaluation's numbers with their intervals, and what they are estimates of."""
    floors = {name: _estimate(group["auroc"]) for name, group in metrics["floor"].items()}
    return Performance(
        meaning=MEANING,
        selected=bool(metrics["selected"]),
        slide=_level(metrics["level"]["slide"]),
        patient=_level(metrics["level"]["patient"]),
        floor_auroc=floors,
    )


def _level(group: Mapping[str, Any]) -> dict[str, Estimate]:
    return {name: _estimate(group[name]) for name in SHOWN if name in group}


def _estimate(record: Mapping[str, Any]) -> Estimate:
    kept = {key: record.get(key) for key in ("value", "low", "high", "n")}
    return Estimate(**kept, reason=record.get("reason") or "")
