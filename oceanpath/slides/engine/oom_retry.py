"""An encoder that goes on with smaller batches where the memory of its device does not hold the usual ones."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.slides.encoders import Encoder


class OomRetry:
    """Encodes batches of any fixed size in pieces that fit; rows do not depend on the pieces.

    A piece that does not fit is halved, and so are all that follow. Every piece has the same shape: one that the batch
    does not fill is filled up with copies of its last patch.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.size = encoder.batch_size
        """Patches that are encoded at once now."""

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, dim] of `patches` [B, P, P, 3].

        Raises: StageError: not even one patch fits.
        """
        while True:
            size = min(self.size, len(patches))
            try:
                return np.concatenate([self._piece(patches[i : i + size], size) for i in range(0, len(patches), size)])
            except _out_of_memory() as error:
                if size == 1:
                    do = "Free memory on the device, choose another with --device, or a smaller encoder."
                    said = str(error).splitlines()[0] if str(error) else type(error).__name__
                    name = self.encoder.name
                    raise StageError("not one patch fits the memory", where=name, got=said, do=do) from error
            self.size = size // 2
            _give_back()

    def _piece(self, patches: NDArray[np.uint8], size: int) -> NDArray[np.float16]:
        missing = size - len(patches)
        whole = np.concatenate([patches, np.repeat(patches[-1:], missing, axis=0)]) if missing else patches
        return self.encoder.encode(whole)[: len(patches)]


def _out_of_memory() -> tuple[type[BaseException], ...]:
    """What says that memory is short; torch is not imported for the sake of encoders that do without it."""
    torch = sys.modules.get("torch")
    return (MemoryError,) if torch is None else (MemoryError, torch.OutOfMemoryError)


def _give_back() -> None:
    """Let torch return what it holds in reserve: pieces of the old size are of no more use."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
