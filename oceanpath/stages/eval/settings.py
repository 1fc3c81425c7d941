"""The `[eval]` table."""

import importlib.util
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from oceanpath.file_digests import xxh3_of_file
from oceanpath.settings import Settings, added, shared


class EvalSettings(Settings):
    """Test metrics with patient-level intervals and baselines."""

    resamples: int = Field(2000, ge=100)
    """Number of resamples of the patients for every interval."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Confidence level of the intervals."""
    metrics: tuple[str, ...] = added(())
    """Further metrics, ``package.module:function``: called with targets [n] and predictions [n, K], return a number."""
    seed: int = shared("seed", 42, ge=0)

    @field_validator("metrics")
    @classmethod
    def _are_functions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not all(name.partition(":")) or _source(name) is None:
                raise ValueError(f"{name} names no function of an installed module; expected package.module:function")
        return value

    def identity(self) -> dict[str, Any]:
        """As for all settings, with the digest of the module of each metric."""
        digests = {name: xxh3_of_file(source) for name in self.metrics if (source := _source(name)) is not None}
        return super().identity() | ({"metric_sources": digests} if digests else {})


def _source(metric: str) -> Path | None:
    """The file of the module of a metric; None if there is no such module."""
    try:
        spec = importlib.util.find_spec(metric.partition(":")[0])
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
