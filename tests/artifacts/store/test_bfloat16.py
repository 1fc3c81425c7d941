"""bfloat16 bits are what torch says they are."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oceanpath.artifacts.store.bfloat16 import all_finite_bits, to_bits, to_float32

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(arrays(np.float32, st.integers(0, 40), elements=FLOATS))
def test_rounding_is_that_of_torch(values: np.ndarray) -> None:
    theirs = torch.from_numpy(values).bfloat16()
    assert np.array_equal(to_bits(values), theirs.view(torch.uint16).numpy())
    assert np.array_equal(to_float32(to_bits(values)), theirs.float().numpy())
    assert all_finite_bits(to_bits(values)) == bool(theirs.isfinite().all())


@given(arrays(np.uint16, st.integers(1, 40), elements=st.integers(0, 0x7F7F)))
def test_bits_survive_the_way_there_and_back(bits: np.ndarray) -> None:
    for signed in (bits, bits | np.uint16(0x8000)):
        assert np.array_equal(to_bits(to_float32(signed)), signed)


def test_the_largest_floats_do_not_fit() -> None:
    assert not all_finite_bits(to_bits(np.array([np.finfo(np.float32).max], np.float32)))
