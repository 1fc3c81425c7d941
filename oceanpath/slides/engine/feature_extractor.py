"""The patches of one slide after the other through one encoder."""

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
from oceanpath.slides.threads import in_order, one_core_each


class FeatureExtractor:
    """Batches of one shape, whatever the slide, in order, whatever the number of threads and processes.

    An encoder that computes on the CPU gets a thread a core, and each reads and encodes batches of its own. Before a
    device, processes read ahead into a ring. A batch holds patches of one slide alone: what a slide gives depends on no
    other, and one that fails takes none with it.
    """

    def __init__(self, encoder: Encoder, workers: int) -> None:
        """Start nothing yet.

        Args:
            encoder: Turns patches into features.
            workers: Processes that read ahead of a device; with 0 this one reads.
        """
        self.encoder, self.workers = encoder, workers
        self._halving = OomRetry(encoder)
        self._ring: tuple[int, ReaderPool] | None = None

    def encode(
        self, job: ReadRequest, reader: SlideReader, upcoming: Callable[[], ReadRequest | None]
    ) -> Iterator[NDArray[np.float16]]:
        """Features of the patches of `job`, in order, [n, dim] a batch.

        Args:
            job: The slide.
            reader: The same slide, opened in this process.
            upcoming: The slide after it, once that is known; its first batches may be read ahead.
        """
        left = len(job.coords)
        for features in self._batches(job, reader, upcoming):
            yield features[:left]
            left -= len(features)

    def _batches(
        self, job: ReadRequest, reader: SlideReader, upcoming: Callable[[], ReadRequest | None]
    ) -> Iterator[NDArray[np.float16]]:
        size = self.encoder.batch_size

        def read(start: int) -> NDArray[np.uint8]:
            coords = job.coords[start : start + size]
            patches = np.empty((size, job.grid.patch_px, job.grid.patch_px, 3), np.uint8)
            read_patches(reader, job.grid, coords, patches[: len(coords)])
            patches[len(coords) :] = patches[len(coords) - 1]
            return patches

        def read_and_encode(start: int) -> NDArray[np.float16]:
            return self._halving.encode(read(start))

        starts = range(0, len(job.coords), size)
        threads = self.encoder.threads
        if threads or not self.workers:
            with one_core_each() if threads else nullcontext():
                yield from in_order(read_and_encode, starts, threads)
            return
        try:
            yield from map(self._halving.encode, self._ring_for(job.grid.patch_px).batches(job, upcoming))
        except StageError:
            self._end_ring()  # a reader may have died
            raise

    def _ring_for(self, patch_px: int) -> ReaderPool:
        if self._ring is None or self._ring[0] != patch_px:
            self._end_ring()
            self._ring = (patch_px, ReaderPool(self.workers, (self.encoder.batch_size, patch_px, patch_px, 3)))
        return self._ring[1]

    def _end_ring(self) -> None:
        if self._ring is not None:
            self._ring[1].close()
            self._ring = None
