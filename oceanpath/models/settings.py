"""The `[model]` table: one settings class per architecture. No torch."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from oceanpath.settings import Settings


class ModelSettings(Settings):
    """Keys of every architecture, and what `oceanpath models list` prints about it."""

    parameters: ClassVar[int] = 0
    """Parameters with the default settings for patch features of length 1024, without the classifier; 0 = unknown."""
    cost: ClassVar[str] = ""
    """Growth of time with the N patches of a bag."""
    attends: ClassVar[bool] = True
    """Whether the attention is learned."""
    name: str
    """Aggregator; `oceanpath models list` shows all with their keys."""
    checkpoint: bool = False
    """Whether to recompute activations in the backward pass: less memory, more time, the same gradients."""


class PatchModelSettings(ModelSettings):
    """Architectures whose first layer is one `PatchMLP`: norm → dropout → Linear → ReLU → dropout."""

    input_norm: Literal["none", "layer", "zscore"] = "layer"
    """Normalisation of each patch's features: none, LayerNorm, or zscore, by the mean and standard deviation of each
    feature over the training slides."""
    input_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Dropout rate of the patch features."""
    hidden: int = Field(256, ge=1)
    """Width of a patch after the first layer and of the slide embedding."""
    dropout: float = Field(0.25, ge=0.0, lt=1.0)
    """Dropout rate of the hidden units."""


class ABMILSettings(PatchModelSettings):
    """Gated attention pooling (Ilse, Tomczak and Welling 2018)."""

    parameters: ClassVar[int] = 330_369
    cost: ClassVar[str] = "N"
    name: Literal["abmil"] = "abmil"
    attention: int = Field(128, ge=1)
    """Width of the two branches of the attention gate."""


class StaticSettings(PatchModelSettings):
    """Mean or maximum over the patches: a baseline without attention."""

    parameters: ClassVar[int] = 264_448
    cost: ClassVar[str] = "N"
    attends: ClassVar[bool] = False
    name: Literal["static"] = "static"
    pool: Literal["mean", "max"] = "mean"
    """Pooling over the patches."""


class LinearSettings(ModelSettings):
    """A linear model of the mean patch, or of a slide embedding: logistic, Cox or linear regression by the task."""

    parameters: ClassVar[int] = 1024
    cost: ClassVar[str] = "N"
    attends: ClassVar[bool] = False
    name: Literal["linear"] = "linear"
    input_norm: Literal["none", "layer", "zscore"] = "zscore"
    """Normalisation of each patch's features: none, LayerNorm, or zscore, by the mean and standard deviation of each
    feature over the training slides."""
    dropout: float = Field(0.25, ge=0.0, lt=1.0)
    """Dropout rate of the normalised features."""


class MeanMLPSettings(PatchModelSettings):
    """SiMLP: the mean patch and a multilayer perceptron (Li et al. 2025)."""

    parameters: ClassVar[int] = 262_400
    cost: ClassVar[str] = "N"
    attends: ClassVar[bool] = False
    name: Literal["mean_mlp"] = "mean_mlp"
    input_norm: Literal["none", "layer", "zscore"] = "zscore"
    hidden: int = Field(256, ge=1)
    """Width of the slide embedding."""


class LSESettings(PatchModelSettings):
    """Log-sum-exp pooling, between mean and maximum (Pinheiro and Collobert 2015)."""

    parameters: ClassVar[int] = 264_448
    cost: ClassVar[str] = "N"
    name: Literal["lse"] = "lse"
    sharpness: float = Field(1.0, gt=0.0)
    """Factor r of log-sum-exp: near 0 it is the mean, for a large value the maximum."""


class MultiheadABMILSettings(ABMILSettings):
    """Gated attention with several independent heads, joined by one linear layer (after Ilse et al. 2018)."""

    parameters: ClassVar[int] = 790_528
    cost: ClassVar[str] = "N"
    name: Literal["multihead_abmil"] = "multihead_abmil"  # type: ignore[assignment]  # narrowed to this architecture
    heads: int = Field(4, ge=1)
    """Number of attention heads, each with its own gate."""


class ClamSBSettings(ABMILSettings):
    """CLAM-SB: gated attention with the published widths and an optional patch-level loss (Lu et al. 2021)."""

    parameters: ClassVar[int] = 787_713
    cost: ClassVar[str] = "N"
    name: Literal["clam_sb"] = "clam_sb"  # type: ignore[assignment]  # narrowed to this architecture
    input_norm: Literal["none", "layer", "zscore"] = "none"
    hidden: int = Field(512, ge=1)
    attention: int = Field(256, ge=1)
    instance_weight: float = Field(0.0, ge=0.0, lt=1.0)
    """Weight of the patch-level loss; 0.3 in the paper, 0 for slide-level training only."""
    instance_patches: int = Field(8, ge=1)
    """Number of most and of least attended patches in the patch-level loss."""
    exclusive: bool = True
    """Whether classes exclude each other: patches of a slide are then negative examples of all other classes."""


class ClamMBSettings(ClamSBSettings):
    """CLAM-MB: CLAM with one attention branch per class (Lu et al. 2021)."""

    parameters: ClassVar[int] = 787_970
    name: Literal["clam_mb"] = "clam_mb"  # type: ignore[assignment]  # narrowed to this architecture
    branches: int = Field(2, ge=1)
    """Number of attention branches; one per class in the paper, and for the patch-level loss."""


class ACMILSettings(ABMILSettings):
    """ACMIL: gated attention in branches that attend to different patches (Zhang et al. 2024)."""

    parameters: ClassVar[int] = 330_885
    name: Literal["acmil"] = "acmil"  # type: ignore[assignment]  # narrowed to this architecture
    branches: int = Field(5, ge=1)
    """Number of attention branches."""
    branch_weight: float = Field(0.5, ge=0.0, lt=1.0)
    """Weight of the losses of the branches and of their similarity; 0: slide-level training only."""
    masked_patches: int = Field(10, ge=1)
    """Number of most attended patches of a branch of which training leaves out a part."""
    masked_share: float = Field(0.6, ge=0.0, lt=1.0)
    """Share of these patches that is left out, at random; 0.6 in the paper."""


class DTFDSettings(ABMILSettings):
    """DTFD-MIL: gated attention within pseudo-bags, and over them (Zhang et al. 2022)."""

    parameters: ClassVar[int] = 396_290
    name: Literal["dtfd"] = "dtfd"  # type: ignore[assignment]  # narrowed to this architecture
    pseudo_bags: int = Field(5, ge=1)
    """Number of pseudo-bags of a slide."""
    tier1_weight: float = Field(0.5, ge=0.0, lt=1.0)
    """Weight of the loss of the pseudo-bags; 0: slide-level training only."""


class DSMILSettings(PatchModelSettings):
    """Critical patches, and attention by similarity to them (Li, Li and Eliceiri 2021)."""

    parameters: ClassVar[int] = 363_650
    cost: ClassVar[str] = "N"
    name: Literal["dsmil"] = "dsmil"
    critical: int = Field(2, ge=1)
    """Number of critical patches, each the maximum of its own score; one per class in the paper."""
    query: int = Field(128, ge=1)
    """Width of the queries by which patches are compared."""


class _AttentionSettings(PatchModelSettings):
    heads: int = Field(4, ge=1)
    """Number of attention heads; `hidden` must be a multiple of it."""
    layers: int = Field(2, ge=1)
    """Number of blocks of attention and feed-forward layers."""

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
    """Unit of distance in the attention bias, in level-0 pixels."""


class PerceiverSettings(_AttentionSettings):
    """Learned latents read the patches by cross-attention (Jaegle et al. 2021; PRISM, Shaikovski et al. 2024).

    PRISM as published: hidden 1280, latents 512, reads 8, read_heads 1, layers 6, heads 8, expand 1, gated.
    """

    parameters: ClassVar[int] = 2_648_832
    cost: ClassVar[str] = "N · latents"
    name: Literal["perceiver"] = "perceiver"
    latents: int = Field(64, ge=1)
    """Number of latent vectors."""
    reads: int = Field(1, ge=1)
    """Number of cross-attention reads; `layers` blocks over the latents follow each."""
    shared: bool = True
    """Whether all reads after the first share weights, and all blocks that follow them."""
    read_heads: int | None = Field(None, ge=1)
    """Number of heads of the cross-attention reads; default: `heads`."""
    expand: int = Field(4, ge=1)
    """Inner width of the feed-forward layers as a multiple of `hidden`."""
    gated: bool = False
    """Whether feed-forward layers are gated (GEGLU, Shazeer 2020)."""
    positions: Literal["none", "fourier"] = "none"
    """Position encoding of patches: none, or 2-D Fourier features of their coordinates."""
    bands: int = Field(16, ge=1)
    """Number of wavelengths of the Fourier features, log-spaced from 512 to 100,000 level-0 pixels."""

    @model_validator(mode="after")
    def _even_read_heads(self) -> Self:
        if self.hidden % (self.read_heads or 1):
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of read_heads ({self.read_heads})")
        return self


class ILRASettings(_AttentionSettings):
    """ILRA: low-rank attention blocks and non-local pooling (Xiang and Zhang 2023)."""

    parameters: ClassVar[int] = 1_881_600
    cost: ClassVar[str] = "N · latents"
    name: Literal["ilra"] = "ilra"
    heads: int = Field(8, ge=1)
    layers: int = Field(2, ge=1)
    """Number of blocks of low-rank attention."""
    latents: int = Field(64, ge=1)
    """Number of latent vectors of a block: the rank."""


class TransMILSettings(_AttentionSettings):
    """Nyström attention and convolutions over the patches' grid (Shao et al. 2021)."""

    parameters: ClassVar[int] = 2_673_168
    cost: ClassVar[str] = "N · landmarks + landmarks³"
    name: Literal["transmil"] = "transmil"
    hidden: int = Field(512, ge=1)
    heads: int = Field(8, ge=1)
    layers: int = Field(2, ge=2)
    landmarks: int = Field(256, ge=1)
    """Number of landmarks of the Nyström approximation; hidden / 2 in the paper."""
    iterations: int = Field(6, ge=1)
    """Iterations of the pseudo-inverse."""


class BiMambaSettings(PatchModelSettings):
    """Mamba-2 state-space layers in both directions (Dao and Gu 2024)."""

    parameters: ClassVar[int] = 1_993_313
    cost: ClassVar[str] = "N · chunk"
    name: Literal["bimamba"] = "bimamba"
    layers: int = Field(2, ge=1)
    """Number of pairs of a forward and a backward layer."""
    state: int = Field(64, ge=1)
    """State size per channel."""
    head: int = Field(64, ge=1)
    """Number of channels that share one decay."""
    expand: int = Field(2, ge=1)
    """Inner width as a multiple of `hidden`."""
    kernel: int = Field(4, ge=1)
    """Kernel size of the causal convolution."""
    chunk: int = Field(128, ge=1)
    """Patches per matrix of the scan; affects only speed and rounding."""
    kernels: Literal["auto", "torch", "mamba_ssm"] = "auto"
    """Implementation of the scan: auto is mamba_ssm on CUDA if it is installed, otherwise torch."""

    @model_validator(mode="after")
    def _even_channels(self) -> Self:
        if self.hidden * self.expand % self.head:
            raise ValueError(f"hidden x expand ({self.hidden * self.expand}) must be a multiple of head ({self.head})")
        return self
