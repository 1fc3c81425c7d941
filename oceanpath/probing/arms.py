"""The arms of a comparison: embeddings of one store, once per seed of their pretraining, and their probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.pretrained import WEIGHTS, hash_ids, read_facts
from oceanpath.artifacts.split_manifest import NAME, SplitManifest
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ExperimentError
from oceanpath.probing.embeddings import embed_store, load_aggregator
from oceanpath.probing.probe import Kind, Prediction, predict_probe
from oceanpath.probing.protocol import Budget, ProbeCohort, Protocol, Rows


@dataclass(frozen=True)
class Arm:
    """Embeddings of the labelled slides and the probe that predicts labels from them."""

    embeddings: Sequence[NDArray[np.floating]]
    """One per seed: [S, E], or [F, S, E] if each fold has its own."""
    kind: Kind = "linear"

    def predict(self, cohort: ProbeCohort, protocol: Protocol, budget: Budget) -> list[list[Prediction]]:
        """The predictions of all folds and draws per seed."""
        return [predict_probe(z, cohort, protocol, budget, self.kind) for z in self.embeddings]

    def joined(self, other: NDArray[np.floating]) -> Arm:
        """The same with `other` [S, E] in front of every embedding."""
        return Arm([join(other, z) for z in self.embeddings], self.kind)


def join(first: NDArray[np.floating], z: NDArray[np.floating]) -> NDArray[Any]:
    """Rows of `first` [S, E] in front of those of z [S, E'] or [F, S, E']."""
    return np.concatenate([np.broadcast_to(first, (*z.shape[:-1], first.shape[1])), z], axis=-1)


def weight_files(path: Path) -> list[Path]:
    """A file of weights, or the weights in a folder that `pretrain` wrote: one, or one per fold.

    Raises: ExperimentError: there are none.
    """
    if path.is_file():
        return [path]
    of_folds = sorted(path.glob(f"fold_*/{WEIGHTS}"), key=lambda file: int(file.parent.name.removeprefix("fold_")))
    files = of_folds or [file for file in (path / WEIGHTS,) if file.is_file()]
    if not files:
        raise ExperimentError("there are no weights", where=path, expected=f"a file, or a folder with {WEIGHTS}")
    return files


def embed_weights(path: Path, store: Store) -> NDArray[np.float32]:
    """Embeddings [S, E] of weights, or [F, S, E] if there are weights of several folds."""
    each = [embed_store(load_aggregator(file), store) for file in weight_files(path)]
    return each[0] if len(each) == 1 else np.stack(each)


def folds_of(path: Path, slide_ids: Sequence[str]) -> Rows | None:
    """The fold that tests each slide: the one whose pretraining has not seen its patient; None for a single training.

    Raises: ExperimentError: a slide is not in all folds but one.
    """
    files = weight_files(path)
    if len(files) == 1:
        return None
    seen = [set(SplitManifest.read(file.with_name(NAME).parent).patients) for file in files]
    unseen = np.array([[name not in ids for ids in seen] for name in slide_ids])
    if wrong := [name for name, count in zip(slide_ids, unseen.sum(axis=1), strict=True) if count != 1]:
        raise ExperimentError("a slide is not tested in exactly one fold of the pretraining", where=path, got=wrong[0])
    folds: Rows = unseen.argmax(axis=1)
    return folds


def patients_seen(path: Path, patients: Sequence[str]) -> int:
    """The number of these patients that the pretraining of a single training used."""
    files = weight_files(path)
    if len(files) > 1 or files[0].suffix != ".safetensors":
        return 0
    return len(set(hash_ids(sorted(set(patients)))) & set(read_facts(files[0]).patients))
