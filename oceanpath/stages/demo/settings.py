"""Keys of `[demo]`."""

from pydantic import Field

from oceanpath.settings import Settings, shared


class DemoSettings(Settings):
    """A small cohort of rendered slides, to try OceanPath without data."""

    slides: int = Field(36, ge=4, le=500)
    """Number of slides; each patient has one to three."""
    side_px: int = Field(2560, ge=1024, le=16384)
    """Mean width and height of a slide in pixels of 0.5 µm."""
    seed: int = shared("seed", 42, ge=0)
    workers: int = shared("runtime.workers", 2, is_runtime=True, ge=0)
    """Number of slides drawn in parallel."""
