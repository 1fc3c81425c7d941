"""Hashes of a training cohort: slides are recognised, no others, and nothing else can be read from them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from oceanpath.artifacts.bundle.training_slides import TrainingSlides
from oceanpath.errors import ArtifactError


def bags(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((int(n), 6)).astype(np.float16) for n in rng.integers(1, 200, count)]


def test_each_bag_is_known_and_no_other_one() -> None:
    known = TrainingSlides.parse(TrainingSlides.of(bags(50)).render())
    assert all(known.contains(bag) for bag in bags(50))
    assert not any(known.contains(bag) for bag in bags(50, seed=1))
    assert not TrainingSlides.of([]).contains(bags(1)[0])


def test_patches_that_many_slides_share_prove_nothing() -> None:
    white = np.zeros((30, 6), np.float16)
    with_tissue = np.concatenate([white[:15], bags(1)[0][:1], white[:15]])
    known = TrainingSlides.of([np.concatenate([bags(1)[0], white])])
    assert not known.contains(with_tissue)


def test_a_slide_is_known_by_its_own_digest() -> None:
    known = TrainingSlides.of(bags(1), ["0123456789abcdef" * 2])
    other = bags(1, seed=2)[0]
    assert known.contains(other, "0123456789abcdef" * 2)
    assert not known.contains(other, "1123456789abcdef" * 2)
    assert not known.contains(other, "")


def test_the_file_holds_hashes_alone_in_an_order_of_their_own() -> None:
    content = TrainingSlides.of(bags(9), ["ab" * 16, "01" * 16]).render()
    assert content == TrainingSlides.of(bags(9)[::-1], ["01" * 16, "ab" * 16]).render()
    held = json.loads(content)
    assert set(held) == {"bags", "slides"}
    assert all(len(bag) == 32 for bag in held["bags"])
    assert held["slides"] == ["01" * 8, "ab" * 8]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"bags": ["xy"], "slides": []}', b'{"bags": 3, "slides": []}']
)
def test_anything_else_is_an_artifact_error(content: bytes) -> None:
    with pytest.raises(ArtifactError, match="training slides"):
        TrainingSlides.parse(content)
