"""Keys of `[extract]`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from oceanpath.settings import Settings, outside, runtime, shared


class ExtractSettings(Settings):
    """How slides become features."""

    encoder: str = "efficientnet_lite0"
    """A name from `oceanpath.slides.encoders.ENCODERS`."""
    patch_px: int = Field(256, ge=16, le=4096)
    """Side of a patch in pixels of `target_mpp`."""
    target_mpp: float = Field(0.5, ge=0.05, le=10)
    """Micrometres a patch pixel; 0.5 is about a 20x objective."""
    overlap: int = Field(0, ge=0)
    """Patch pixels that neighbours share."""
    min_tissue: float = Field(0.25, ge=0, le=1)
    """Least share of tissue in a kept patch."""
    mpp: float | None = Field(None, gt=0)
    """Micrometres a level-0 pixel, believed for every slide whatever it says."""
    default_mpp: float | None = Field(None, gt=0)
    """The same, for slides that tell nothing plausible."""
    exclude: tuple[str, ...] = ()
    """Slide ids to leave out."""
    backend: Literal["native", "trident"] = "native"
    """Who reads and encodes: OceanPath, or TRIDENT in an interpreter of its own (docs/trident.md)."""
    trident_segmenter: Literal["hest", "grandqc", "otsu"] = "hest"
    """How TRIDENT finds tissue; otsu needs no download."""
    trident_python: str = runtime("")
    """TRIDENT's interpreter, a path or a command of PATH; else what OCEANPATH_TRIDENT_PYTHON says."""
    trident_silence_s: float = runtime(1800.0, gt=0)
    """Seconds without a sign of life after which TRIDENT is killed."""
    slides: Path | None = outside("data.slides")
    device: str = shared("runtime.device", "auto", is_runtime=True)
    workers: int = shared("runtime.workers", 2, is_runtime=True, ge=0)
    """Threads that read ahead of the encoder."""
