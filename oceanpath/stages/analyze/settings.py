"""The `[analyze]` table."""

from pydantic import Field

from oceanpath.settings import Settings, shared


class AnalyzeSettings(Settings):
    """Attention maps, a map of slide embeddings, and tests between variants."""

    umap_neighbors: int = Field(15, ge=2)
    """Number of neighbours in UMAP; limited to the number of slides minus one."""
    umap_min_dist: float = Field(0.1, ge=0, lt=1)
    """Minimum distance between slides in the UMAP."""
    attention_slides: int = Field(6, ge=0)
    """Number of attention maps: half of the worst errors, half of the most confident correct predictions."""
    resamples: int = Field(2000, ge=100)
    """Number of resamples, and of permutations, of the patients for a comparison."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Confidence level of these intervals."""
    margin: float | None = Field(None, gt=0, lt=1)
    """Largest acceptable loss of the main metric, stated before results are seen: tests non-inferiority."""
    seed: int = shared("seed", 42, ge=0)
    device: str = shared("runtime.device", "auto", is_runtime=True)
