"""The `[eval]` table."""

from pydantic import Field

from oceanpath.settings import Settings, shared


class EvalSettings(Settings):
    """How intervals are made."""

    resamples: int = Field(2000, ge=100)
    """Resamples of the patients behind every interval."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Mass of an interval."""
    seed: int = shared("seed", 42, ge=0)
