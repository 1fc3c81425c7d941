"""What is known of a patch encoder before it is built: no numpy, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from oceanpath.settings import Settings

Mean = tuple[float, float, float]
IMAGENET: tuple[Mean, Mean] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's pixels, red, green, blue, of 0 to 1."""
HALF: tuple[Mean, Mean] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
BUILT_IN = "built in"


class EncoderOptions(Settings):
    """How an encoder is to be built, beside its name and its device."""

    weights: Path | None = None
    """A local file of weights, instead of the hub and its cache."""
    revision: str = ""
    """A commit of the hub repository, instead of the pinned one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the network computes in; auto is bfloat16 where the device is fast at it, else float32."""


@dataclass(frozen=True)
class View:
    """What the network sees of a square patch: resized with antialiasing, cut at the centre, normalised."""

    resize_px: int
    crop_px: int
    interpolation: Literal["bilinear", "bicubic"]
    mean: Mean
    std: Mean


@dataclass(frozen=True)
class Hub:
    """Where published weights are."""

    repo: str
    file: str
    revision: str
    """The commit whose weights are meant; ``main`` where none is pinned, so that features then name what they got."""
    gated: bool = False
    sha256: str = ""
    """Of the file at that commit, where it is known."""


@dataclass(frozen=True)
class EncoderSpec:
    """One encoder of the registry."""

    name: str
    module: str
    """Module with `build(card, device, options) -> Encoder`; imported only when asked for."""
    dim: int
    input_px: int
    """Side of what the network sees; 0 where any side does."""
    licence: str
    """Of the weights."""
    source: str
    """Publication, or where the weights come from."""
    aliases: tuple[str, ...] = ()
    patch_px: int = 256
    mpp: float = 0.5
    """Patch side and µm a pixel that its authors or the benchmarks use."""
    view: View | None = None
    hub: Hub | None = None
    pool: Literal["network", "cls", "cls_mean", "map_mean"] = "network"
    """What becomes of the network's output: its own vector, its class token, that beside the mean of its patch tokens,
    or the mean of its feature map."""
    prefix_tokens: int = 1
    """Tokens before the first patch token: class token and registers."""
    architecture: str = ""
    """Name of the network in the library that builds it."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments there; `norm_eps` and `mlp_layer` in words of ours, as objects have no place in a table."""
    names: Literal["timm", "transformers"] = "timm"
    """Which package named the tensors of the published file."""

    @property
    def access(self) -> str:
        """``open``, ``gated`` or ``built in``."""
        return BUILT_IN if self.hub is None else "gated" if self.hub.gated else "open"
