from __future__ import annotations

import pytest

from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ExperimentError
from oceanpath.fit import memory
from oceanpath.models.registry import parse_model

from .test_trainer import QUICK, module_of


def test_the_largest_step_is_that_of_the_plan(store: Store) -> None:
    training = module_of(store)  # at most 5 patches of each bag
    found = memory.forecast(training, limit_gb=1.0)
    assert (found.bags, found.longest, found.free) == (5, 5, 10**9)
    assert 0 < found.bytes < 0.1 * found.free


def test_a_step_that_does_not_fit_is_refused_with_advice(store: Store) -> None:
    with pytest.raises(ExperimentError) as caught:
        memory.check_memory(module_of(store), limit_gb=1e-6)
    message = caught.value.render()
    for words in (
        "more memory than is free",
        "5 bags, the longest of 5 patches",
        "Lower train.max_patches, for example to 1, or train.batch_size",
    ):
        assert words in message
    assert "model.checkpoint = true" in message
    memory.check_memory(module_of(store), limit_gb=1.0)


def test_checkpointing_is_not_advised_twice_and_changes_the_forecast(store: Store) -> None:
    needed = {}
    for checkpoint in (False, True):
        model = parse_model({"name": "abmil", "hidden": 64, "checkpoint": checkpoint})
        training = module_of(store, QUICK, model=model)
        needed[checkpoint] = memory._activations(training, [20_000, 10_000])
        assert training.model.aggregator.checkpoint is checkpoint
    assert needed[True] < 0.8 * needed[False]
    with pytest.raises(ExperimentError) as caught:
        memory.check_memory(module_of(store, QUICK, model=model), limit_gb=1e-6)
    assert "model.checkpoint" not in caught.value.render()


def test_bytes_grow_with_the_bags_and_the_random_state_is_unchanged(store: Store) -> None:
    import torch

    training = module_of(store, model=parse_model({"name": "abmil", "hidden": 64}))
    before = torch.random.get_rng_state()
    few, many = memory._kept(training, [10_000]), memory._kept(training, [10_000, 10_000])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert few >= 10_000 * 4 * 64 * 2  # hidden patches before and after the activation
    assert many == pytest.approx(2 * few, rel=0.1)


def test_the_peak_is_what_is_kept_with_a_margin(store: Store) -> None:
    training = module_of(store, model=parse_model({"name": "abmil", "hidden": 64}))
    assert memory._activations(training, [3000, 500]) == pytest.approx(1.5 * memory._kept(training, [3000, 500]))
