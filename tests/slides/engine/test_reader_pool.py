"""Patches read by other processes equal those read in this one, in order, also after errors."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError, StageError
from oceanpath.slides.engine.reader_pool import ReaderPool, ReadRequest
from oceanpath.slides.patches import read_patches

from .conftest import PATCH

SHAPE = (8, PATCH, PATCH, 3)


@pytest.fixture
def pool() -> Iterator[ReaderPool]:
    made = ReaderPool(2, SHAPE)
    yield made
    made.close()


def read_here(request: ReadRequest) -> NDArray[np.uint8]:
    with request.open() as reader:
        return read_patches(reader, request.grid, request.coords)


def through(
    pool: ReaderPool, request: ReadRequest, upcoming: Callable[[], ReadRequest | None] = lambda: None
) -> NDArray[np.uint8]:
    batches = [batch.copy() for batch in pool.batches(request, upcoming)]
    assert {batch.shape for batch in batches} == {SHAPE}
    return np.concatenate(batches)


def test_patches_equal_those_read_in_this_process(pool: ReaderPool, make_request: Callable[..., ReadRequest]) -> None:
    for seed, count in enumerate((64, 1, 7, 8, 9, 33)):
        request = make_request(count, seed)
        got = through(pool, request)
        assert np.array_equal(got[:count], read_here(request))
        assert np.array_equal(got[count:], got[count - 1 : count].repeat(len(got) - count, axis=0))


def test_the_next_slide_is_read_ahead(pool: ReaderPool, make_request: Callable[..., ReadRequest]) -> None:
    first, second = make_request(20, 1), make_request(16, 2)
    expected = read_here(second)
    assert np.array_equal(through(pool, first, lambda: second)[:20], read_here(first))
    assert all(reader.poll(20) for reader in pool._readers), "read before anybody asked for it"
    assert np.array_equal(through(pool, second), expected)


def test_a_wrongly_expected_slide_has_no_effect(pool: ReaderPool, make_request: Callable[..., ReadRequest]) -> None:
    first, guessed, real = (make_request(20, seed) for seed in (1, 2, 3))
    through(pool, first, lambda: guessed)
    assert np.array_equal(through(pool, real)[:20], read_here(real))


def test_an_error_affects_only_its_slide(pool: ReaderPool, make_request: Callable[..., ReadRequest]) -> None:
    bad, good = make_request(64, 1), make_request(64, 2)
    bad.path.write_bytes(b"no slide")
    with pytest.raises(ArtifactError, match=r"1\.svs"):
        through(pool, bad, lambda: good)
    assert np.array_equal(through(pool, good), read_here(good))


def test_an_unfinished_slide_is_discarded(pool: ReaderPool, make_request: Callable[..., ReadRequest]) -> None:
    left, good = make_request(64, 1), make_request(64, 2)
    next(pool.batches(left))
    assert np.array_equal(through(pool, good), read_here(good))


def test_a_reader_that_dies_is_reported(make_request: Callable[..., ReadRequest]) -> None:
    before = set(multiprocessing.active_children())
    pool = ReaderPool(2, SHAPE)
    (victim, *_) = set(multiprocessing.active_children()) - before
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(StageError, match=r"1\.svs: the process that read the slide ended unexpectedly"):
        through(pool, make_request(64, 1))
    pool.close()


def test_readers_end_with_a_process_that_is_killed() -> None:
    code = (
        "import multiprocessing, time\nfrom oceanpath.slides.engine.reader_pool import ReaderPool\n"
        "pool = ReaderPool(2, (1, 8, 8, 3))\n"
        "print(*[child.pid for child in multiprocessing.active_children()], flush=True)\n"
        "time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    readers = [psutil.Process(int(word)) for word in owner.stdout.readline().split()]
    owner.kill()
    owner.communicate()
    ends = time.monotonic() + 5
    while left := [reader for reader in readers if reader.is_running() and reader.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < ends, left
        time.sleep(0.02)
    assert len(readers) == 2


def test_readers_end_with_their_pool(make_request: Callable[..., ReadRequest]) -> None:
    before = set(multiprocessing.active_children())
    pool = ReaderPool(1, SHAPE)
    (reader,) = set(multiprocessing.active_children()) - before
    through(pool, make_request(3, 1))
    del pool
    gc.collect()
    reader.join(10)
    assert reader.exitcode == 0
