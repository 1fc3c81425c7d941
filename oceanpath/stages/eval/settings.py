"""The `[eval]` table."""

from pydantic import Field

from oceanpath.settings import Settings, shared


class EvalSettings(Settings):
    """Test metrics with patient-level intervals and baselines."""

    resamples: int = Field(2000, ge=100)
    """Number of resamples of the patients for every interval."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Confidence level of the intervals."""
    seed: int = shared("seed", 42, ge=0)
