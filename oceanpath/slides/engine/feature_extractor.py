"""Encode the patches of slides, one slide at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.slides.encoders import Encoder
from oceanpath.slides.engine.oom_retry import OomRetry
from oceanpath.slides.engine.reader_pool import ReaderPool, ReadRequest
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.threads import map_in_order, one_core_each


class FeatureExtractor:
    """Encodes batches of one shape, in order; the result depends neither on threads nor on processes.

    An encoder that computes on the CPU gets one thread per core, and each thread reads and encodes its own batches. For
    a device, a pool of processes reads ahead. A batch contains patches of only one slide: its features do not depend on
    other slides, and a slide that fails does not affect others.
    """

    def __init__(self, encoder: Encoder, workers: int) -> None:
        """Prepare the extractor; processes start later.

        Args:
            encoder: The encoder.
            workers: Number of processes that read ahead of a device; if 0, this process reads.
        """
        self.encoder, self.workers = encoder, workers
        self._retry = OomRetry(encoder)
        self._pool: tuple[int, ReaderPool] | None = None

    def encode(
        self, request: ReadRequest, reader: SlideReader, upcoming: Callable[[], ReadRequest | None]
    ) -> Iterator[NDArray[np.float16]]:
        """Features of the patches of `request`, in order, [n, dim] per batch.

        Args:
            request: The slide.
            reader: The same slide, opened in this process.
            upcoming: The next slide, once it is known; its first batches may be read ahead.
        """
        left = len(request.coords)
        for features in self._batches(request, reader, upcoming):
            yield features[:left]
            left -= len(features)

    def _batches(
        self, request: ReadRequest, reader: SlideReader, upcoming: Callable[[], ReadRequest | None]
    ) -> Iterator[NDArray[np.float16]]:
        size = self.encoder.batch_size

        def read(start: int) -> NDArray[np.uint8]:
            coords = request.coords[start : start + size]
            patches = np.empty((size, request.grid.patch_px, request.grid.patch_px, 3), np.uint8)
            read_patches(reader, request.grid, coords, patches[: len(coords)])
            patches[len(coords) :] = patches[len(coords) - 1]
            return patches

        def read_and_encode(start: int) -> NDArray[np.float16]:
            return self._retry.encode(read(start))

        starts = range(0, len(request.coords), size)
        threads = self.encoder.threads
        if threads or not self.workers:
            with one_core_each() if threads else nullcontext():
                yield from map_in_order(read_and_encode, starts, threads)
            return
        try:
            yield from map(self._retry.encode, self._pool_for(request.grid.patch_px).batches(request, upcoming))
        except StageError:
            self._close_pool()  # a reader may have ended
            raise

    def _pool_for(self, patch_px: int) -> ReaderPool:
        if self._pool is None or self._pool[0] != patch_px:
            self._close_pool()
            self._pool = (patch_px, ReaderPool(self.workers, (self.encoder.batch_size, patch_px, patch_px, 3)))
        return self._pool[1]

    def _close_pool(self) -> None:
        if self._pool is not None:
            self._pool[1].close()
            self._pool = None
