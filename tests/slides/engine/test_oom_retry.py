"""Short memory halves what is encoded at once, and changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.slides.engine.oom_retry import OomRetry

from .conftest import Means

PATCHES = np.random.default_rng(0).integers(0, 255, (16, 8, 8, 3), np.uint8)


@given(most=st.integers(1, 16), count=st.integers(1, 16))
def test_rows_do_not_depend_on_the_piece_size(most: int, count: int) -> None:
    tight, roomy = Means(16, most=most), Means(16)
    assert np.array_equal(OomRetry(tight).encode(PATCHES[:count]), roomy.encode(PATCHES[:count]))


def test_a_size_that_did_not_fit_is_not_retried() -> None:
    encoder = Means(16, most=5)
    halving = OomRetry(encoder)
    for _ in range(2):
        halving.encode(PATCHES)
    assert encoder.sizes == [16, 8, 4, 4, 4, 4, 4, 4, 4, 4]
    assert halving.size == 4


def test_the_exception_of_torch_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, plain = Means(16, most=4), Means(16)
    inside = encoder.encode

    def encode(patches: np.ndarray) -> np.ndarray:
        try:
            return inside(patches)
        except MemoryError as error:
            raise torch.OutOfMemoryError("CUDA out of memory") from error

    monkeypatch.setattr(encoder, "encode", encode)
    assert np.array_equal(OomRetry(encoder).encode(PATCHES), plain.encode(PATCHES))


def test_one_patch_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(StageError, match=r"means: not enough memory for one patch; got 1 patches\. Free memory"):
        OomRetry(Means(16, most=0)).encode(PATCHES)
