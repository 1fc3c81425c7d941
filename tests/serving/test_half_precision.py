"""Every float16 as float32 has the bits that numpy gives."""

from __future__ import annotations

import numpy as np
import pytest

from oceanpath.serving.half_precision import as_single

ALL = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(256, 256)


def test_every_float16_is_converted_exactly() -> None:
    got, wanted, is_number = as_single(ALL), ALL.astype(np.float32), ~np.isnan(ALL)
    assert np.array_equal(got[is_number].view(np.uint32), wanted[is_number].view(np.uint32))
    assert np.isnan(got[~is_number]).all()


@pytest.mark.parametrize("view", [ALL[:, ::2], ALL[::-1], ALL.T, ALL[:1], ALL.astype(">f2")])
def test_any_memory_layout_is_converted(view: np.ndarray) -> None:
    assert np.array_equal(as_single(view), view.astype(np.float32), equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_floats_are_converted_to_new_memory(dtype: type[np.floating]) -> None:
    features = np.ones((3, 2), dtype)
    single = as_single(features)
    single[0, 0] = 5
    assert single.dtype == np.float32 and features[0, 0] == 1
