"""Read, mask, cut, encode, write."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import oceanpath
from oceanpath.artifacts.features import FeatureMeta, find_features, read_meta, scan_features, write_features
from oceanpath.artifacts.gather import link_tree
from oceanpath.errors import StageError
from oceanpath.pipeline.stage import Inputs, Part, Progress, Summary
from oceanpath.slides.encoders import Encoder, build_encoder
from oceanpath.slides.encoders.card import EncoderOptions
from oceanpath.slides.grid import Grid, place_patches, plan_grid
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import SlideReader, open_slide
from oceanpath.slides.threads import in_order, one_core_each
from oceanpath.slides.tissue import find_tissue
from oceanpath.stages.extract.places import given_coords
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.trident import extract_elsewhere

THUMBNAIL_PX = 768
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Cut:
    """Where the patches of a slide are."""

    grid: Grid
    coords: NDArray[np.int32]


def run_part(settings: ExtractSettings, _: Inputs, part: Part, out: Path, progress: Progress) -> Summary:
    """Write the features and the thumbnail of one slide below `out`.

    Raises:
        ArtifactError: the slide cannot be opened or decoded.
        StageError: no plausible mpp, coarser than the target, smaller than a patch, or no tissue.
    """
    path, name, digest = Path(part.payload["path"]), str(part.identity["slide_id"]), str(part.identity["slide"])
    with open_slide(path, override_mpp=settings.mpp, default_mpp=settings.default_mpp) as reader:
        if settings.backend == "trident":
            features, coords, meta = extract_elsewhere(reader, settings, digest, out, progress)
        else:
            cut = cut_slide(reader, settings)
            encoder = _encoder(settings.encoder, settings.device, settings.encoder_options())
            features, coords = encode_patches(reader, cut, encoder, settings.workers, progress), cut.coords
            meta = _meta(reader, cut.grid, encoder, settings, digest)
        write_features(out / f"{name}.h5", features, coords, meta)
        _write_thumbnail(reader, out / "thumbnails" / f"{name}.jpg")
    line = f"{name}: {len(coords)} patches, mpp {meta.mpp_x:g} ({meta.mpp_source})"
    return Summary((line,), {"patches": len(coords), "mpp": meta.mpp_x, "mpp_source": meta.mpp_source})


def run(settings: ExtractSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Gather the parts: one folder with every slide's features and thumbnail."""
    progress.start(len(inputs.parts), "slides")
    for folder in inputs.parts.values():
        link_tree(folder, out)
        progress.advance()
    files = find_features(out)
    patches = [scan_features(path).n for path in files.values()]
    sources = Counter(read_meta(path).mpp_source for path in files.values())
    said = ", ".join(f"{source} {count}" for source, count in sorted(sources.items()))
    lines = [
        f"{len(files)} slides, {sum(patches)} patches ({min(patches)} to {max(patches)} a slide)",
        f"encoder {settings.encoder}, {settings.patch_px} px at {settings.target_mpp:g} µm a pixel",
        f"mpp from {said}",
    ]
    lines += [f"left out on request: {', '.join(settings.exclude)}"] if settings.exclude else []
    return Summary(tuple(lines), {"slides": len(files), "patches": sum(patches), "encoder": settings.encoder})


def cut_slide(reader: SlideReader, settings: ExtractSettings) -> Cut:
    """The grid of a slide and the patches that hold tissue.

    Raises: StageError: coarser than the target, smaller than a patch, or no patch with enough tissue.
    """
    grid = plan_grid(reader, settings.patch_px, settings.target_mpp, settings.overlap)
    if settings.coords is not None:
        return Cut(grid, given_coords(settings.coords, reader, grid))
    tissue = find_tissue(reader, settings.patch_px * settings.target_mpp)
    coords, _ = place_patches(reader, grid, tissue, settings.min_tissue)
    if not len(coords):
        raise StageError(
            "no patch with enough tissue",
            where=reader.path,
            expected=f"a tissue share of extract.min_tissue = {settings.min_tissue:g} in one patch",
            got=f"{tissue.share:.1%} tissue in the slide",
            do="Lower extract.min_tissue, or leave the slide out with extract.exclude.",
        )
    return Cut(grid, coords)


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
        encoder_revision=encoder.revision,
        weights_sha256=encoder.weights_sha256,
    )


def _write_thumbnail(reader: SlideReader, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(reader.thumbnail(THUMBNAIL_PX)).save(path, quality=JPEG_QUALITY)
