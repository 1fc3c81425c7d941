"""Keys of `[extract]`."""

from pathlib import Path

from pydantic import Field, field_validator

from oceanpath.settings import Settings, outside, shared


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
    shard: str = Field("", pattern=r"^([1-9]\d*/[1-9]\d*)?$")
    """``i/n`` takes every n-th slide, beginning with the i-th; without it all that the shards made are gathered."""
    slides: Path | None = outside("data.slides")
    device: str = shared("runtime.device", "auto", is_runtime=True)
    workers: int = shared("runtime.workers", 2, is_runtime=True, ge=0)
    """Processes that read ahead of a device; on the CPU a thread a core reads and encodes."""

    @field_validator("shard")
    @classmethod
    def _inside(cls, value: str) -> str:
        if value and int(value.partition("/")[0]) > int(value.partition("/")[2]):
            raise ValueError("a shard i/n has i from 1 to n")
        return value
