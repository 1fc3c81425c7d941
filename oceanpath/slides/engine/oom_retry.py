"""Retry with smaller batches if the device runs out of memory."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.slides.encoders import Encoder


class OomRetry:
    """Encodes batches of any fixed size in pieces that fit into memory; rows do not depend on the pieces.

    A piece that does not fit is halved, and so are all later ones. Every piece has the same shape: an incomplete one is
    padded with copies of its last patch.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.size = encoder.batch_size
        """Current number of patches per piece."""

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, dim] of `patches` [B, P, P, 3].

        Raises: StageError: a single patch does not fit.
        """
        while True:
            size = min(self.size, len(patches))
            try:
                return np.concatenate([self._piece(patches[i : i + size], size) for i in range(0, len(patches), size)])
            except _out_of_memory() as error:
                if size == 1:
                    do = "Free memory on the device, select another with runtime.device, or use a smaller encoder."
                    message = str(error).splitlines()[0] if str(error) else type(error).__name__
                    name = self.encoder.name
                    raise StageError("not enough memory for one patch", where=name, got=message, do=do) from error
            self.size = size // 2
            _release_cache()

    def _piece(self, patches: NDArray[np.uint8], size: int) -> NDArray[np.float16]:
        missing = size - len(patches)
        whole = np.concatenate([patches, np.repeat(patches[-1:], missing, axis=0)]) if missing else patches
        return self.encoder.encode(whole)[: len(patches)]


def _out_of_memory() -> tuple[type[BaseException], ...]:
    """Out-of-memory exceptions; torch is not imported for encoders that do not use it."""
    torch = sys.modules.get("torch")
    return (MemoryError,) if torch is None else (MemoryError, torch.OutOfMemoryError)


def _release_cache() -> None:
    """Release the cache of torch, which has blocks for pieces of the old size."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
