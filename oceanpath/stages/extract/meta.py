"""The metadata of a feature file."""

from __future__ import annotations

from dataclasses import replace

import oceanpath
from oceanpath.artifacts.features.metadata import FeatureMeta
from oceanpath.slides.reader import SlideReader
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.tiling import SlideTiling


def slide_meta(
    reader: SlideReader, settings: ExtractSettings, digest: str, encoder: str, dim: int, patch_px_level0: float
) -> FeatureMeta:
    """Metadata of every file, for all backends."""
    return FeatureMeta(
        encoder=encoder,
        feature_dim=dim,
        patch_px=settings.patch_px,
        target_mpp=settings.target_mpp,
        mpp_x=reader.mpp.x,
        mpp_y=reader.mpp.y,
        mpp_source=reader.mpp.source,
        patch_px_level0=patch_px_level0,
        level0_width=reader.width,
        level0_height=reader.height,
        slide_digest=digest,
        tool_version=oceanpath.__version__,
    )


def with_tissue(meta: FeatureMeta, tiling: SlideTiling) -> FeatureMeta:
    """`meta` with the results of tissue detection."""
    tissue, blank = tiling.tissue, len(tiling.coords) == 0
    meta = replace(meta, undecodable_patches=tiling.undecodable)
    if tissue is None:
        return replace(meta, blank=blank)
    meta = replace(meta, tissue_share=tissue.share, ink_share=tissue.ink_share)
    return replace(meta, tissue_source=tissue.source, tissue_origin=tissue.origin, blank=blank)
