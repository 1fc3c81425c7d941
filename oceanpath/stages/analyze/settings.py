"""The `[analyze]` table."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from oceanpath.settings import Settings, outside, shared


class AnalyzeSettings(Settings):
    """Maps of patches, maps of slide embeddings, and tests between variants."""

    embedding: Literal["pca", "umap", "tsne"] = "pca"
    """Maps of slide embeddings: principal components, UMAP (whose compilation takes seconds once), or t-SNE."""
    umap_neighbors: int = Field(15, ge=2)
    """Number of neighbours in UMAP; limited to the number of slides minus one."""
    umap_min_dist: float = Field(0.1, ge=0, lt=1)
    """Minimum distance between slides in the UMAP."""
    attention_slides: int = Field(6, ge=0)
    """Number of slides with maps of patches: half are the worst errors, half the most confident correct predictions."""
    slides: Literal["selected", "all"] = "selected"
    """Slides with maps of patches: `attention_slides` of them, or every test slide."""
    patch_threshold: float = Field(0.0, ge=0)
    """Smallest contribution (or attention) in magnitude of patches in GeoJSON; CSV always has all patches."""
    sheet_patches: int = Field(8, ge=0, le=64)
    """Number of patches with the largest and with the smallest scores on the sheet of a slide; 0 draws no sheets."""
    regions: Path | None = outside()
    """Folder of annotated regions, `<slide_id>.geojson` with polygons as QuPath writes them: patch scores of the slides
    that have one are compared with them. The regions are evidence for the label of the slide, such as tumour."""
    deletion_slides: int = Field(30, ge=0)
    """Maximum number of test slides for deletion and insertion curves; 0 computes none."""
    resamples: int = Field(2000, ge=100)
    """Number of resamples, and of permutations, of the patients for a comparison."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Confidence level of these intervals."""
    margin: float | None = Field(None, gt=0, lt=1)
    """Largest acceptable loss of the main metric, stated before results are seen: tests non-inferiority."""
    seed: int = shared("seed", 42, ge=0)
    slide_folder: Path | None = shared("data.slides", None, is_runtime=True)
    device: str = shared("runtime.device", "auto", is_runtime=True)
