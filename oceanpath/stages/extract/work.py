"""Read, mask, cut, encode, write."""

from __future__ import annotations

from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import oceanpath
from oceanpath.artifacts.features import FeatureMeta, find_features, write_features
from oceanpath.artifacts.gather import link_tree
from oceanpath.pipeline.stage import Inputs, Part, Progress, Summary
from oceanpath.slides.encoders import Encoder, build_encoder
from oceanpath.slides.encoders.card import EncoderOptions
from oceanpath.slides.grid import Grid
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import SlideReader, open_slide
from oceanpath.slides.threads import in_order, one_core_each
from oceanpath.stages.extract.cut import Cut, cut_slide, with_tissue, write_pictures
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.summary import cohort_summary, slide_summary
from oceanpath.stages.extract.trident import extract_elsewhere


def run_part(settings: ExtractSettings, _: Inputs, part: Part, out: Path, progress: Progress) -> Summary:
    """Write the features and the pictures of one slide below `out`; a blank slide gets a file without patches.

    Raises:
        ArtifactError: the slide cannot be opened or decoded.
        StageError: no plausible mpp, coarser than the target, smaller than a patch, or no tissue mask of its own.
    """
    path, name, digest = Path(part.payload["path"]), str(part.identity["slide_id"]), str(part.identity["slide"])
    with open_slide(path, override_mpp=settings.mpp, default_mpp=settings.default_mpp) as reader:
        if settings.backend == "trident":
            cut, (features, coords, meta) = None, extract_elsewhere(reader, settings, digest, out, progress)
        else:
            cut = cut_slide(reader, settings, name)
            encoder = _encoder(settings.encoder, settings.device, settings.encoder_options())
            features, coords = encode_patches(reader, cut, encoder, settings.workers, progress), cut.coords
            meta = with_tissue(_meta(reader, cut.grid, encoder, settings, digest), cut)
        write_features(out / f"{name}.h5", features, coords, meta, None if cut is None else cut.fractions)
        write_pictures(reader, cut, out, name)
    return slide_summary(name, len(coords), meta)


def run(settings: ExtractSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Gather the parts: one folder with every slide's features and pictures."""
    progress.start(len(inputs.parts), "slides")
    for folder in inputs.parts.values():
        link_tree(folder, out)
        progress.advance()
    return cohort_summary(find_features(out), settings)


def encode_patches(
    reader: SlideReader, cut: Cut, encoder: Encoder, workers: int, progress: Progress
) -> NDArray[np.float16]:
    """Features [N, D] of every patch, in order of `cut.coords`.

    On CPU every thread reads and encodes its own batches; before a device `workers` threads read ahead. The last batch
    is filled up with copies of its last patch, so that every batch has the same shape.
    """
    size, count = encoder.batch_size, len(cut.coords)

    def read(start: int) -> NDArray[np.uint8]:
        patches = read_patches(reader, cut.grid, cut.coords[start : start + size])
        return np.concatenate([patches, np.repeat(patches[-1:], size - len(patches), axis=0)])

    def read_and_encode(start: int) -> NDArray[np.float16]:
        return encoder.encode(read(start))

    starts = range(0, count, size)
    progress.start(count, "patches")
    features = np.empty((len(starts) * size, encoder.dim), np.float16)
    with one_core_each() if encoder.threads else nullcontext():
        side_by_side = in_order(read_and_encode, starts, encoder.threads)
        one_by_one = map(encoder.encode, in_order(read, starts, workers))
        for start, batch in zip(starts, side_by_side if encoder.threads else one_by_one, strict=True):
            features[start : start + size] = batch
            progress.advance(min(size, count - start))
    return features[:count]


@lru_cache(maxsize=1)
def _encoder(name: str, device: str, options: EncoderOptions) -> Encoder:
    """Built once a process: loading weights takes longer than a small slide."""
    return build_encoder(name, device, options)


def _meta(reader: SlideReader, grid: Grid, encoder: Encoder, settings: ExtractSettings, digest: str) -> FeatureMeta:
    return FeatureMeta(
        encoder=encoder.name,
        feature_dim=encoder.dim,
        patch_px=settings.patch_px,
        target_mpp=settings.target_mpp,
        mpp_x=reader.mpp.x,
        mpp_y=reader.mpp.y,
        mpp_source=reader.mpp.source,
        patch_px_level0=grid.footprint_x,
        level0_width=reader.width,
        level0_height=reader.height,
        slide_digest=digest,
        tool_version=oceanpath.__version__,
        reader=reader.reader,
        reader_reason=reader.reader_reason,
        encoder_revision=encoder.revision,
        weights_sha256=encoder.weights_sha256,
    )
