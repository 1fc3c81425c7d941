"""The `[mmap]` table."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from oceanpath.settings import Settings, added, outside, replaced, shared


class MmapSettings(Settings):
    """The memory-mapped store of all bags."""

    mode: Literal["copy", "adopt"] = "copy"
    """copy: write all features into the store; adopt: read them from their files if the layout allows it."""
    dtype: Literal["float16", "bfloat16", "float32"] = "float16"
    """Data type of stored features; values that overflow it cause an error."""
    coords: bool = True
    """Whether to store patch coordinates; with false, feature files need none."""
    max_instances: int | None = Field(None, ge=1)
    """Maximum number of patches per slide; default: all."""
    cap_strategy: Literal["spatial_stratified", "random"] = "spatial_stratified"
    """Sampling of patches from slides with more; slides without coordinates are always sampled at random."""
    cap_grid: int = Field(32, ge=1)
    """Number of rows and columns of the grid for spatial_stratified."""
    chunk_gb: float = Field(8.0, gt=0)
    """Maximum size of a chunk file in GB; a bag is always in one file."""
    manifest: Path | None = outside()
    """Store only the slides of this table: a manifest of `curate`, or a table with the column `data.slide_id`."""
    verify: bool = replaced("runtime.verify", False)
    """No effect: `runtime.verify` determines whether bags are compared with their digests."""
    coverage_thumbnails: bool = added(False)
    """Whether to draw the kept and discarded patches of every capped slide, in the store's folder coverage_qc."""
    features: Path | None = outside("data.features")
    features_key: str = shared("data.features_key", "", is_added=True)
    level: str = shared("data.level", "patch", is_added=True)
    store: str = shared("data.store", "", is_added=True)
    slide_id: str = shared("data.slide_id", "slide_id")
    allow_missing: bool = shared("data.allow_missing", False)
    seed: int = shared("seed", 42)
    workers: int = shared("runtime.workers", 2, is_runtime=True)


class PretrainMmapSettings(MmapSettings):
    """The store of another cohort on which to pretrain: its keys are those of `[mmap]` and `[pretrain]`."""

    mode: Literal["copy", "adopt"] = shared("mmap.mode", "copy")
    dtype: Literal["float16", "bfloat16", "float32"] = shared("mmap.dtype", "float16")
    coords: bool = shared("mmap.coords", True)
    max_instances: int | None = shared("mmap.max_instances", None)
    cap_strategy: Literal["spatial_stratified", "random"] = shared("mmap.cap_strategy", "spatial_stratified")
    cap_grid: int = shared("mmap.cap_grid", 32)
    chunk_gb: float = shared("mmap.chunk_gb", 8.0)
    manifest: Path | None = outside("pretrain.manifest")
    verify: bool = shared("mmap.verify", False)
    coverage_thumbnails: bool = shared("mmap.coverage_thumbnails", False, is_added=True)
    features: Path | None = outside("pretrain.features")
    store: str = shared("data.store", "", is_runtime=True)
    """Without effect: this store is built from `features`."""
