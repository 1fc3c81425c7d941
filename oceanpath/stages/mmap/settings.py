"""The `[mmap]` table."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from oceanpath.settings import Settings, added, outside, replaced, shared


class MmapSettings(Settings):
    """How bags are stored."""

    mode: Literal["copy", "adopt"] = "copy"
    """Copy all features into the store, or leave them in their files where these hold them as the store would."""
    dtype: Literal["float16", "bfloat16", "float32"] = "float16"
    coords: bool = True
    """Store where patches are; without, slides whose files do not tell can stand beside others."""
    max_instances: int | None = Field(None, ge=1)
    """Keep at most this many patches a slide; None keeps all."""
    cap_strategy: Literal["spatial_stratified", "random"] = "spatial_stratified"
    """Which patches a capped slide keeps; slides without coordinates are always capped at random."""
    cap_grid: int = Field(32, ge=1)
    """Cells a side of the grid of `spatial_stratified`."""
    chunk_gb: float = Field(8.0, gt=0)
    """A bag never crosses a chunk file; a new one starts where this size would be passed."""
    manifest: Path | None = outside()
    """Only slides of this table: a pretraining manifest, or a csv, tsv or parquet with the column `data.slide_id`."""
    verify: bool = replaced("runtime.verify", False)
    """Without effect: bags are compared with their digests when first read, unless `runtime.verify` is false."""
    coverage_thumbnails: bool = added(False)
    """Draw kept and discarded patches of every capped slide into the store's folder coverage_qc."""
    features: Path | None = outside("data.features")
    slide_id: str = shared("data.slide_id", "slide_id")
    allow_missing: bool = shared("data.allow_missing", False)
    seed: int = shared("seed", 42)
    workers: int = shared("runtime.workers", 2, is_runtime=True)
