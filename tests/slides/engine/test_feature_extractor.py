"""Features equal those of single patches, for any number of threads and processes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError
from oceanpath.slides.engine.feature_extractor import FeatureExtractor
from oceanpath.slides.engine.reader_pool import ReadRequest
from oceanpath.slides.patches import read_patches

from .conftest import Means

WAYS = {"threads of the encoder": (2, 2), "this process": (0, 0), "two readers": (0, 2), "three readers": (0, 3)}


def encode(line: FeatureExtractor, request: ReadRequest, upcoming: ReadRequest | None = None) -> NDArray[np.float16]:
    with request.open() as reader:
        return np.concatenate(list(line.encode(request, reader, lambda: upcoming)))


@pytest.mark.parametrize("way", WAYS)
def test_rows_are_those_of_the_patches(way: str, make_request: Callable[..., ReadRequest]) -> None:
    threads, workers = WAYS[way]
    encoder = Means(8, threads=threads)
    line, jobs = FeatureExtractor(encoder, workers), [make_request(count, count) for count in (64, 3, 8)]
    for request, following in zip(jobs, [*jobs[1:], None], strict=True):
        with request.open() as reader:
            expected = Means().encode(read_patches(reader, request.grid, request.coords))
        assert np.array_equal(encode(line, request, following), expected)
    assert set(encoder.sizes) == {8}, "every batch has the same shape"


@pytest.mark.parametrize("way", ["this process", "two readers"])
def test_short_memory_changes_no_row(way: str, make_request: Callable[..., ReadRequest]) -> None:
    _, workers = WAYS[way]
    request = make_request(20)
    assert np.array_equal(
        encode(FeatureExtractor(Means(8, most=3), workers), request), encode(FeatureExtractor(Means(8), 0), request)
    )


def test_other_slides_follow_an_error(make_request: Callable[..., ReadRequest]) -> None:
    line, bad, good = FeatureExtractor(Means(8), 2), make_request(20, 1), make_request(20, 2)
    with bad.open() as reader:
        bad.path.write_bytes(b"no slide")
        with pytest.raises(ArtifactError):
            list(line.encode(bad, reader, lambda: good))
    assert np.array_equal(encode(line, good), encode(FeatureExtractor(Means(8), 0), good))
