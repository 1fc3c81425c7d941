"""Read, mask, cut, encode, write."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
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
from oceanpath.slides.engine.ahead import Ahead
from oceanpath.slides.engine.line import Line
from oceanpath.slides.engine.ring import Job
from oceanpath.slides.grid import Grid, place_patches, plan_grid
from oceanpath.slides.reader import SlideReader, open_slide
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


@dataclass(frozen=True)
class Slide:
    """A slide that is ready to be read."""

    reader: SlideReader
    job: Job


Wanted = tuple[ExtractSettings, Path]


@dataclass(frozen=True)
class Engine:
    """What lasts from one slide to the next: the encoder, its readers, and the slide that is expected next."""

    line: Line
    ahead: Ahead[Wanted, Slide]


def run_part(settings: ExtractSettings, _: Inputs, part: Part, out: Path, progress: Progress) -> Summary:
    """Write the features and the thumbnail of one slide below `out`.

    Raises:
        ArtifactError: the slide cannot be opened or decoded.
        StageError: no plausible mpp, coarser than the target, smaller than a patch, or no tissue.
    """
    path, name, digest = Path(part.payload["path"]), str(part.identity["slide_id"]), str(part.identity["slide"])
    if settings.backend == "native":
        return extract_slide(engine_for(settings), settings, part, out, progress)
    with open_slide(path, override_mpp=settings.mpp, default_mpp=settings.default_mpp) as reader:
        features, coords, meta = extract_elsewhere(reader, settings, digest, out, progress)
        return _write(reader, features, coords, meta, out / f"{name}.h5")


def extract_slide(engine: Engine, settings: ExtractSettings, part: Part, out: Path, progress: Progress) -> Summary:
    """As `run_part` without TRIDENT, with an engine that the caller brings."""
    slide = engine.ahead.take((settings, Path(part.payload["path"])))
    with slide.reader as reader:
        if following := part.payload.get("next"):
            engine.ahead.expect((settings, Path(following)))
        features = encode_patches(engine, slide, progress)
        meta = _meta(reader, slide.job.grid, engine.line.encoder, settings, str(part.identity["slide"]))
        return _write(reader, features, slide.job.coords, meta, out / f"{part.identity['slide_id']}.h5")


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


def prepare(wanted: Wanted) -> Slide:
    """Open a slide and find its patches.

    Raises: ArtifactError, StageError: as `run_part`.
    """
    settings, path = wanted
    opener = partial(open_slide, path, override_mpp=settings.mpp, default_mpp=settings.default_mpp)
    reader = opener()
    try:
        cut = cut_slide(reader, settings)
    except BaseException:
        reader.close()
        raise
    return Slide(reader, Job(path, opener, cut.grid, cut.coords))


def encode_patches(engine: Engine, slide: Slide, progress: Progress) -> NDArray[np.float16]:
    """Features [N, D] of every patch of a slide, in order of its coordinates."""

    def upcoming() -> Job | None:
        following = engine.ahead.ready()
        return None if following is None else following.job

    count, done = len(slide.job.coords), 0
    features = np.empty((count, engine.line.encoder.dim), np.float16)
    progress.start(count, "patches")
    for rows in engine.line.encode(slide.job, slide.reader, upcoming):
        features[done : done + len(rows)] = rows
        done += len(rows)
        progress.advance(len(rows))
    return features


def engine_for(settings: ExtractSettings) -> Engine:
    """The engine of this process for such settings.

    Raises: ExperimentError: no such encoder or device.
    """
    return _engine(settings.encoder, settings.device, settings.encoder_options(), settings.workers)


@lru_cache(maxsize=1)
def _engine(encoder: str, device: str, options: EncoderOptions, workers: int) -> Engine:
    """Built once a process: loading weights takes longer than a small slide."""
    line = Line(build_encoder(encoder, device, options), workers)
    return Engine(line, Ahead(prepare, lambda slide: slide.reader.close()))


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


def _write(
    reader: SlideReader, features: NDArray[np.float16], coords: NDArray[np.int32], meta: FeatureMeta, path: Path
) -> Summary:
    write_features(path, features, coords, meta)
    _write_thumbnail(reader, path.parent / "thumbnails" / f"{path.stem}.jpg")
    line = f"{path.stem}: {len(coords)} patches, mpp {meta.mpp_x:g} ({meta.mpp_source})"
    return Summary((line,), {"patches": len(coords), "mpp": meta.mpp_x, "mpp_source": meta.mpp_source})


def _write_thumbnail(reader: SlideReader, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(reader.thumbnail(THUMBNAIL_PX)).save(path, quality=JPEG_QUALITY)
