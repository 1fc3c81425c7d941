"""A training that was interrupted continues after its last saved step, and its draws are the same for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.explain import PatchExplainer
from oceanpath.fit.objectives.classification import ClassificationObjective
from oceanpath.fit.saved_state import SavedTraining
from oceanpath.fit.settings import FitSettings
from oceanpath.fit.step_plan import PlannedStep
from oceanpath.fit.trainer import Training
from oceanpath.models.classifier import WSIClassifier

from ..published_settings import check_keys, read_reference
from ..recording import recorded
from .test_trainer import ABMIL, Judge, module_of, weights


def test_keys_ranges_and_defaults_are_those_of_the_reference() -> None:
    published = read_reference()["properties"]["train"]["properties"]
    own = {name: part for name, part in published.items() if name in FitSettings.model_fields}
    check_keys(FitSettings, {"properties": own})
    assert set(own) == set(FitSettings.own_keys())


def test_only_the_steps_after_the_saved_one_are_done_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FitSettings(epochs=3, batch_size=5, lr=1e-2)

    def training(stop_after: int | None = None) -> tuple[Training, Judge, SavedTraining]:
        made, judge = module_of(store, settings), Judge(stop_after)
        return made, judge, SavedTraining(tmp_path / "state.pt", 0.0, training=made, judge=judge)

    whole, judge, _ = training()
    whole.run(judge)
    stopped, first, saved = training(stop_after=2)
    stopped.run(first, saved)
    steps: list[int] = []
    resumed, second, saved = training()

    def note(step: PlannedStep, batches: Iterator[Batch]) -> None:
        steps.append(step.number)

    monkeypatch.setattr(resumed, "_train", recorded(resumed._train, note))
    resumed.run(second, saved)
    assert steps == list(range(5, 9)), "the last step of the second epoch is repeated: it stopped before it was saved"
    assert weights(resumed) == weights(whole)
    assert second.losses == judge.losses


def test_the_order_of_bags_is_the_same_for_ever(store: Store) -> None:
    made = module_of(store, FitSettings(epochs=1, batch_size=4), seed=3)
    batches = [[draw.position for draw in batch] for step in made.plan.steps(0) for batch in step.batches]
    assert batches == [[0, 10, 2, 5], [6, 8, 7, 1], [11, 3, 9, 4]]


@pytest.mark.parametrize(
    ("precision", "device", "supported", "expected"),
    [
        ("32", "cpu", True, None),
        ("bf16", "cpu", False, torch.bfloat16),
        ("auto", "cpu", True, None),
        ("auto", "cuda", True, torch.bfloat16),
        ("auto", "cuda", False, None),
        ("32", "cuda", True, None),
    ],
)
def test_the_arithmetic_is_that_of_the_settings_and_the_device(
    store: Store, monkeypatch: pytest.MonkeyPatch, precision: str, device: str, supported: bool, expected: Any
) -> None:
    made = module_of(store, FitSettings.model_validate({"precision": precision}))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype: (kind, dtype))
    made.device = torch.device(device)
    found: Any = made._precision()
    assert (found == (device, expected)) if expected else not isinstance(found, tuple)


def test_attention_is_computed_with_the_coordinates_of_the_patches(
    store: Store, objective: ClassificationObjective, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, coords, seen = WSIClassifier(ABMIL, 6, ["a", "b", "c"]), store.coords(9), list[Batch]()
    save_checkpoint(model, objective, tmp_path / "best.ckpt")
    compute = recorded(WSIClassifier.output_packed, lambda self, batch, **_: seen.append(batch))
    monkeypatch.setattr(WSIClassifier, "output_packed", compute)
    for given in (coords, None):
        PatchExplainer(tmp_path / "best.ckpt").explain(np.array(store.features(9)), given)
    assert coords is not None and seen[0].coords is not None
    assert seen[0].coords.tolist() == coords.tolist() and seen[1].coords is None
    assert seen[0].offsets.tolist() == [0, 12]
