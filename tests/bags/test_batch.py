from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.bags.batch import Batch

from ..narrowing import required


def batch_of(lengths: list[int], dim: int = 3) -> Batch:
    total = sum(lengths)
    offsets = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()])
    coords = torch.arange(2 * total, dtype=torch.int32).reshape(total, 2)
    return Batch(torch.randn(total, dim), offsets, coords, torch.arange(len(lengths)), tuple(map(str, lengths)))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_padded_and_ragged_hold_the_same_rows_in_the_same_order(lengths: list[int]) -> None:
    batch = batch_of(lengths)
    h, mask, coords = batch.padded()
    assert coords is not None and batch.coords is not None
    assert h.shape == (len(lengths), max(lengths), 3)
    assert mask.sum(dim=1).tolist() == lengths == batch.lengths.tolist()
    assert torch.equal(h[mask], batch.features)
    assert torch.equal(coords[mask], batch.coords)
    for i, (start, stop) in enumerate(batch.spans()):
        assert torch.equal(h[i, : lengths[i]], batch.features[start:stop])
    assert not h[~mask].any()
    assert not coords[~mask].any()


def test_padding_keeps_dtypes() -> None:
    batch = batch_of([2, 1])
    h, mask, coords = Batch(batch.features.half(), batch.offsets, batch.coords).padded()
    assert (h.dtype, mask.dtype, required(coords).dtype) == (torch.float16, torch.bool, torch.int32)


def test_a_batch_without_coords_has_none_padded() -> None:
    assert Batch(torch.zeros(2, 3), torch.tensor([0, 2])).padded()[2] is None


def test_to_moves_every_tensor_and_keeps_the_rest() -> None:
    moved = batch_of([2, 3]).to("meta")
    tensors = (moved.features, moved.offsets, required(moved.coords), required(moved.labels))
    assert {t.device.type for t in tensors} == {"meta"}
    assert moved.slide_ids == ("2", "3")
    assert Batch(torch.zeros(1, 1), torch.tensor([0, 1])).to("meta").labels is None


def test_views_masks_and_weights_are_optional_and_move_with_the_batch() -> None:
    plain = batch_of([2, 3])
    assert plain.views is plain.masked is plain.weights is None
    full = replace(plain, views=torch.tensor([0, 1]), masked=torch.zeros(5, dtype=torch.bool), weights=torch.ones(2))
    moved = full.to("meta")
    assert {required(t).device.type for t in (moved.views, moved.masked, moved.weights)} == {"meta"}


def test_length_is_the_number_of_bags() -> None:
    assert len(batch_of([4, 4, 1])) == 3


def test_a_batch_does_not_change() -> None:
    with pytest.raises(AttributeError):
        batch_of([1]).labels = None  # type: ignore[misc]  # the assignment is what must fail
