"""The `[model]` table: one settings class an architecture. No torch."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from oceanpath.settings import Settings


class ModelSettings(Settings):
    """What every architecture has: its name in the registry, and what `oceanpath models list` tells of it."""

    parameters: ClassVar[int] = 0
    """Parameters with the default settings for patch features of length 1024, without the classifier; 0 = not told."""
    cost: ClassVar[str] = ""
    """How time grows with the N patches of a bag."""
    name: str
    checkpoint: bool = False
    """Whether inner results are computed again in the backward pass: less memory, more time, the same gradients."""


class PatchModelSettings(ModelSettings):
    """Architectures that begin with one `PatchMLP`: norm → dropout → Linear → ReLU → dropout."""

    input_norm: Literal["none", "layer"] = "layer"
    """What each patch feature passes first: nothing, or a LayerNorm."""
    input_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of feature dimensions that are dropped before the first layer."""
    hidden: int = Field(256, ge=1)
    """Width of a patch after the first layer, and of the slide embedding."""
    dropout: float = Field(0.25, ge=0.0, lt=1.0)
    """Share of hidden units that are dropped while training."""


class ABMILSettings(PatchModelSettings):
    """Gated attention pooling (Ilse, Tomczak and Welling 2018)."""

    parameters: ClassVar[int] = 330_369
    cost: ClassVar[str] = "N"
    name: Literal["abmil"] = "abmil"
    attention: int = Field(128, ge=1)
    """Width of the two gate branches."""


class StaticSettings(PatchModelSettings):
    """Mean or maximum over the patches: a baseline without attention."""

    parameters: ClassVar[int] = 264_448
    cost: ClassVar[str] = "N"
    name: Literal["static"] = "static"
    pool: Literal["mean", "max"] = "mean"


class MultiheadABMILSettings(ABMILSettings):
    """Gated attention with several independent heads, joined by one linear layer (after Ilse et al. 2018)."""

    parameters: ClassVar[int] = 790_528
    cost: ClassVar[str] = "N"
    name: Literal["multihead_abmil"] = "multihead_abmil"  # type: ignore[assignment]  # narrowed to this architecture
    heads: int = Field(4, ge=1)
    """Attention heads, each with gates of its own."""


class ClamSBSettings(ABMILSettings):
    """CLAM-SB: gated attention at the published widths, and a loss on single patches (Lu et al. 2021)."""

    parameters: ClassVar[int] = 787_713
    cost: ClassVar[str] = "N"
    name: Literal["clam_sb"] = "clam_sb"  # type: ignore[assignment]  # narrowed to this architecture
    input_norm: Literal["none", "layer"] = "none"
    hidden: int = Field(512, ge=1)
    attention: int = Field(256, ge=1)
    instance_weight: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the patch-level loss in the loss of a slide; the paper has 0.3, and 0 trains the slide level alone."""
    instance_patches: int = Field(8, ge=1)
    """Most, and as many least, attended patches that the patch-level loss looks at."""
    exclusive: bool = True
    """Whether a slide of one class shows that its patches are of no other."""


class DSMILSettings(PatchModelSettings):
    """Critical patches, and attention by likeness to them (Li, Li and Eliceiri 2021)."""

    parameters: ClassVar[int] = 363_650
    cost: ClassVar[str] = "N"
    name: Literal["dsmil"] = "dsmil"
    critical: int = Field(2, ge=1)
    """Critical patches, each the top of a score of its own; the paper has one a class."""
    query: int = Field(128, ge=1)
    """Width in which patches are compared."""


class _AttentionSettings(PatchModelSettings):
    heads: int = Field(4, ge=1)
    """Attention heads; they share `hidden` evenly."""
    layers: int = Field(2, ge=1)
    """Blocks of attention and feed-forward."""

    @model_validator(mode="after")
    def _even_heads(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        return self


class TransformerSettings(_AttentionSettings):
    """A plain pre-norm transformer with 2-D ALiBi (Press et al. 2022; Ding et al. 2024); cost grows with N²."""

    parameters: ClassVar[int] = 1_843_200
    cost: ClassVar[str] = "N²; memory N"
    name: Literal["transformer"] = "transformer"
    pitch: float = Field(512.0, gt=0)
    """Level-0 pixels that count as distance 1 in the attention bias."""


class PerceiverSettings(_AttentionSettings):
    """Learned latents read the patches by cross-attention (Jaegle et al. 2021; PRISM, Shaikovski et al. 2024).

    PRISM as published: hidden 1280, latents 512, reads 8, read_heads 1, layers 6, heads 8, expand 1, gated.
    """

    parameters: ClassVar[int] = 2_648_832
    cost: ClassVar[str] = "N · latents"
    name: Literal["perceiver"] = "perceiver"
    latents: int = Field(64, ge=1)
    """Number of latents."""
    reads: int = Field(1, ge=1)
    """Times the latents read the patches; `layers` blocks among the latents follow each read."""
    shared: bool = True
    """Whether all reads but the first share weights, and all runs of blocks do: depth without new parameters."""
    read_heads: int | None = Field(None, ge=1)
    """Heads of the reads; as many as `heads` when not given."""
    expand: int = Field(4, ge=1)
    """Inner width of the feed-forward layers as a multiple of `hidden`."""
    gated: bool = False
    """Whether feed-forward layers are gated (GEGLU, Shazeer 2020)."""
    positions: Literal["none", "fourier"] = "none"
    """Whether patches carry 2-D Fourier features of their places; without coordinates they carry none."""
    bands: int = Field(16, ge=1)
    """Wavelengths of the Fourier features, log-spaced from 512 to 100,000 level-0 pixels."""

    @model_validator(mode="after")
    def _even_read_heads(self) -> Self:
        if self.hidden % (self.read_heads or 1):
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of read_heads ({self.read_heads})")
        return self


class TransMILSettings(_AttentionSettings):
    """Nyström attention and convolutions over the patches' grid (Shao et al. 2021)."""

    parameters: ClassVar[int] = 2_673_168
    cost: ClassVar[str] = "N · landmarks + landmarks³"
    name: Literal["transmil"] = "transmil"
    hidden: int = Field(512, ge=1)
    heads: int = Field(8, ge=1)
    layers: int = Field(2, ge=2)
    landmarks: int = Field(256, ge=1)
    """Landmarks of the Nyström approximation; the paper has hidden / 2."""
    iterations: int = Field(6, ge=1)
    """Steps towards the pseudo-inverse."""


class BiMambaSettings(PatchModelSettings):
    """Mamba-2 state-space layers in both directions (Dao and Gu 2024)."""

    parameters: ClassVar[int] = 1_993_313
    cost: ClassVar[str] = "N · chunk"
    name: Literal["bimamba"] = "bimamba"
    layers: int = Field(2, ge=1)
    """Pairs of a forward and a backward layer."""
    state: int = Field(64, ge=1)
    """Width of the state of a channel."""
    head: int = Field(64, ge=1)
    """Channels that share one decay."""
    expand: int = Field(2, ge=1)
    """Inner width as a multiple of `hidden`."""
    kernel: int = Field(4, ge=1)
    """Length of the causal convolution."""
    chunk: int = Field(128, ge=1)
    """Patches that are scanned as one matrix; changes speed and rounding."""
    kernels: Literal["auto", "torch", "mamba_ssm"] = "auto"
    """What scans on CUDA: mamba-ssm where it is installed, or always the one that is named. Elsewhere it is torch."""

    @model_validator(mode="after")
    def _even_channels(self) -> Self:
        if self.hidden * self.expand % self.head:
            raise ValueError(f"hidden x expand ({self.hidden * self.expand}) must be a multiple of head ({self.head})")
        return self
