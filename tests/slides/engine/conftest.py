"""Slides of known pixels and fast encoders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.engine.reader_pool import ReadRequest
from oceanpath.slides.grid import plan_grid
from oceanpath.slides.reader import open_slide

PATCH = 32


class Means:
    """Mean colour and first pixel of a patch: rows that tell which patch they are of."""

    name, dim, input_px = "means", 6, 0
    revision, weights_sha256 = "", ""

    def __init__(self, batch_size: int = 8, threads: int = 0, most: int = 10**9) -> None:
        self.batch_size, self.threads, self.most = batch_size, threads, most
        self.sizes: list[int] = []

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        self.sizes.append(len(patches))
        if len(patches) > self.most:
            raise MemoryError(f"{len(patches)} patches")
        return np.concatenate([patches.mean(axis=(1, 2)), patches[:, 0, 0]], axis=1).astype(np.float16)


@pytest.fixture
def make_request(tmp_path: Path) -> Callable[..., ReadRequest]:
    def make(patches: int, seed: int = 0, side: int = 256) -> ReadRequest:
        path = tmp_path / f"{seed}.svs"
        noise = np.random.default_rng(seed).integers(0, 255, (side // 4, side // 4, 3), np.uint8)
        write_aperio(path, noise.repeat(4, 0).repeat(4, 1), 0.5)
        opener = partial(open_slide, path)
        with opener() as reader:
            grid = plan_grid(reader, PATCH, 0.5)
        places = [(x, y) for y in range(0, side, PATCH) for x in range(0, side, PATCH)]
        return ReadRequest(path, opener, grid, np.array(places[:patches], np.int32))

    return make
