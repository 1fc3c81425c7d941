"""The specification of a patch encoder; needs neither numpy nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from oceanpath.settings import Settings

Mean = tuple[float, float, float]
IMAGENET: tuple[Mean, Mean] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's pixels in red, green and blue, scaled to 0 to 1."""
HALF: tuple[Mean, Mean] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
BUILT_IN = "built in"


class EncoderOptions(Settings):
    """Options for building an encoder, in addition to its name and device."""

    weights: Path | None = None
    """Local weights file, instead of the hub and its cache."""
    revision: str = ""
    """Commit of the hub repository, instead of the pinned one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the network; auto is bfloat16 if the device supports it natively, otherwise float32."""


@dataclass(frozen=True)
class View:
    """Preprocessing of a square patch: resized with antialiasing, cropped at the centre, normalised."""

    resize_px: int
    crop_px: int
    interpolation: Literal["bilinear", "bicubic"]
    mean: Mean
    std: Mean


@dataclass(frozen=True)
class Hub:
    """Location of published weights."""

    repo: str
    file: str
    revision: str
    """Commit of the weights; ``main`` if none is pinned: features record the commit that was used."""
    gated: bool = False
    sha256: str = ""
    """SHA-256 of the file at that commit, if known."""


@dataclass(frozen=True)
class EncoderSpec:
    """One encoder of the registry."""

    name: str
    module: str
    """Module with `build(spec, device, options) -> Encoder`; imported only when needed."""
    dim: int
    input_px: int
    """Side of the network's input; 0 for any side."""
    licence: str
    """Licence of the weights."""
    source: str
    """Publication, or origin of the weights."""
    aliases: tuple[str, ...] = ()
    patch_px: int = 256
    mpp: float = 0.5
    """Patch side and µm per pixel that its authors or benchmarks use."""
    view: View | None = None
    hub: Hub | None = None
    pool: Literal["network", "cls", "cls_mean", "map_mean"] = "network"
    """Pooling of the network's output: none (a vector), the class token, the class token and the mean of the patch
    tokens, or the mean of its feature map."""
    prefix_tokens: int = 1
    """Tokens before the first patch token: class token and registers."""
    architecture: str = ""
    """Name of the network in the library that builds it."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments in that library; `norm_eps` and `mlp_layer` are converted to objects."""
    names: Literal["timm", "transformers"] = "timm"
    """Package whose tensor names the published file uses."""

    @property
    def access(self) -> str:
        """``open``, ``gated`` or ``built in``."""
        return BUILT_IN if self.hub is None else "gated" if self.hub.gated else "open"
