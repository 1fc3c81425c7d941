from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.fit.seeds import derive, seed_torch


@given(st.integers(), st.integers(), st.integers())
def test_seeds_are_stable_and_in_range(seed: int, epoch: int, step: int) -> None:
    assert 0 <= derive(seed, "step", epoch, step) < 2**63
    assert derive(seed, "step", epoch, step) == derive(seed, "step", epoch, step)


def test_every_purpose_has_its_own_seed() -> None:
    purposes = [(), ("a",), ("b",), ("a", 1), ("a", 11), ("a", 1, 1), ("a1",)]
    assert len({derive(seed, *purpose) for seed in (0, 1, 11) for purpose in purposes}) == 21


def test_the_number_never_changes_between_versions() -> None:
    assert derive(42, "fold", 0) == DERIVED_42_FOLD_0


def test_torch_draws_the_same_for_the_same_purpose() -> None:
    draws = []
    for _ in range(2):
        torch.rand(3)
        seed_torch(1, "step", 0, 0)
        draws.append(torch.rand(3))
    assert torch.equal(*draws)


DERIVED_42_FOLD_0 = 4550279631420950873
