"""A package that cuts off arrives at the pixel that is meant."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.slides.readers.sdk.geometry import level0_position


@settings(deadline=None, max_examples=200)
@given(at=st.integers(0, 400_000), downsample=st.one_of(st.integers(1, 64), st.floats(1, 64)))
def test_the_first_matching_position_is_returned(at: int, downsample: float) -> None:
    place = level0_position(at, downsample)
    assert int(place / downsample) == at
    assert at == 0 or int((place - 1) / downsample) < at
