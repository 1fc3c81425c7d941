"""Predictions of every fold's model for the slides of an external cohort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.placement import place
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.device import pick_device
from oceanpath.fit.predict import predict
from oceanpath.fit.threads import torch_threads
from oceanpath.stages.external.settings import ExternalSettings
from oceanpath.tasks.evaluation import Floats

THREADS = 1
"""The number of threads changes the last bits of a prediction, so it must not depend on the machine."""


class MemberValues(NamedTuple):
    """Values [n, K] of one model, and the names of their columns."""

    columns: list[str]
    values: Floats


def predict_members(
    settings: ExternalSettings, checkpoints: Sequence[Path], store: Store, slides: Sequence[str]
) -> Iterator[MemberValues]:
    """The values of each model for `slides`, in the order of the checkpoints.

    Raises: ArtifactError: a checkpoint is damaged, or a slide is not in the store.
    """
    device = pick_device(settings.device)
    placed, numbers = place(store, settings.placement, device), [store.number(name) for name in slides]
    for path in checkpoints:
        model, objective = load_checkpoint(path, device)
        with torch_threads(THREADS):
            outputs = predict(model, placed, numbers, device).outputs
        yield MemberValues(objective.task.columns, objective.values(outputs))
