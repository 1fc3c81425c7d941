"""The `[analyze]` table."""

from pydantic import Field

from oceanpath.settings import Settings, shared


class AnalyzeSettings(Settings):
    """What is drawn and compared."""

    umap_neighbors: int = Field(15, ge=2)
    """Neighbours of UMAP; at most the number of slides less one is used."""
    umap_min_dist: float = Field(0.1, ge=0, lt=1)
    attention_slides: int = Field(6, ge=0)
    """Test slides whose attention is drawn: half of them the worst errors, the rest the most confident right ones."""
    resamples: int = Field(2000, ge=100)
    """Resamples of the patients behind the intervals of a comparison."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    seed: int = shared("seed", 42, ge=0)
    device: str = shared("runtime.device", "auto", is_runtime=True)
