"""Read, mask, cut, encode, write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.files import FeatureMeta, find_features, write_features
from oceanpath.artifacts.gather import link_tree
from oceanpath.artifacts.left_out import LeftOut, without_coords_text, write_left_out
from oceanpath.errors import ArtifactError, StageError
from oceanpath.pipeline.stage import Inputs, Part, Progress, Summary
from oceanpath.slides.encoders import Encoder, build_encoder
from oceanpath.slides.encoders.spec import EncoderOptions
from oceanpath.slides.engine.feature_extractor import FeatureExtractor
from oceanpath.slides.engine.prefetch import Prefetcher
from oceanpath.slides.engine.reader_pool import ReadRequest
from oceanpath.slides.grid import PatchGrid
from oceanpath.slides.patches import decodable
from oceanpath.slides.reader import SlideReader, open_slide
from oceanpath.slides.readers.pixels import UndecodableError
from oceanpath.stages.extract.cohort import part_key
from oceanpath.stages.extract.meta import slide_meta, with_tissue
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slides import slides_of
from oceanpath.stages.extract.summary import cohort_summary, slide_summary
from oceanpath.stages.extract.tiling import SlideTiling, tile_slide, write_pictures
from oceanpath.stages.extract.trident import extract_with_trident, warn_about_bucket


@dataclass(frozen=True)
class Slide:
    """A slide that is ready to be read."""

    reader: SlideReader
    job: ReadRequest
    cut: SlideTiling | None = None


class Wanted(NamedTuple):
    """A slide that is to be made ready."""

    settings: ExtractSettings
    slide_id: str
    """Not always what the file is called: a DICOM slide goes by its folder."""
    path: Path


@dataclass(frozen=True)
class SlideEncoder:
    """What lasts from one slide to the next: the encoder, its readers, and the slide that is expected next."""

    line: FeatureExtractor
    ahead: Prefetcher[Wanted, Slide]


def run_part(settings: ExtractSettings, _: Inputs, part: Part, out: Path, progress: Progress) -> Summary:
    """Write the features and the pictures of one slide below `out`; a blank slide gets a file without patches.

    Raises:
        ArtifactError: the slide cannot be opened or decoded.
        StageError: no plausible mpp, coarser than the target, smaller than a patch, or no tissue mask of its own.
    """
    path, name, digest = Path(part.payload["path"]), str(part.identity["slide_id"]), str(part.identity["slide"])
    if path.is_symlink() and not path.exists():
        raise ArtifactError("the slide is a link without a target", where=path, got=path.readlink())
    if settings.backend == "native":
        return extract_slide(engine_for(settings), settings, part, out, progress)
    with opener(settings, path)() as reader:
        features, coords, meta = extract_with_trident(reader, settings, digest, out, progress)
        return _write(reader, (features, coords), meta, out / f"{name}.h5", None)


def extract_slide(
    engine: SlideEncoder, settings: ExtractSettings, part: Part, out: Path, progress: Progress
) -> Summary:
    """As `run_part` without TRIDENT, with an engine that the caller brings."""
    slide = engine.ahead.take(Wanted(settings, str(part.identity["slide_id"]), Path(part.payload["path"])))
    with slide.reader as reader:
        if following := part.payload.get("next"):
            engine.ahead.expect(Wanted(settings, str(part.payload["next_id"]), Path(following)))
        try:
            features = encode_patches(engine, slide, progress)
        except UndecodableError:
            if settings.on_bad_tile == "fail":
                raise
            slide = without_undecodable(slide)
            features = encode_patches(engine, slide, progress)
        meta = _meta(reader, slide.job.grid, engine.line.encoder, settings, str(part.identity["slide"]))
        if settings.geometry == "trident":
            warn_about_bucket(meta, settings, progress)
        return _write(reader, (features, slide.job.coords), meta, out / f"{part.identity['slide_id']}.h5", slide.cut)


def run(settings: ExtractSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Gather the parts: one folder with every slide's features and pictures, and the list of those that failed."""
    progress.start(len(inputs.parts), "slides")
    for folder in inputs.parts.values():
        link_tree(folder, out)
        progress.advance()
    slides = slides_of(settings, inputs)
    keys = {part_key(name): name for name in slides.wanted}
    failed = {keys[key]: without_coords_text(reason, slides.root) for key, reason in inputs.failed.items()}
    write_left_out(out, LeftOut(settings.exclude, failed))
    return cohort_summary(find_features(out), settings, [*_said(failed), *slides.lines(settings.exclude)])


def _said(failed: Mapping[str, str]) -> list[str]:
    return [f"failed and left out: {name}: {reason}" for name, reason in sorted(failed.items())]


def prepare(wanted: Wanted) -> Slide:
    """Open a slide and find its patches.

    Raises: ArtifactError, StageError: as `run_part`.
    """
    settings, name, path = wanted
    opening = opener(settings, path)
    reader = opening()
    try:
        cut = tile_slide(reader, settings, name)
    except BaseException:
        reader.close()
        raise
    return Slide(reader, ReadRequest(path, opening, cut.grid, cut.coords), cut)


def opener(settings: ExtractSettings, path: Path) -> Callable[[], SlideReader]:
    """What opens a slide as the settings say; can be pickled."""
    return partial(
        open_slide,
        path,
        override_mpp=settings.mpp,
        default_mpp=settings.default_mpp,
        limit_s=settings.vendor_limit_s,
        skip_undecodable=settings.on_bad_tile == "skip",
        to_srgb=settings.colours == "srgb",
    )


def encode_patches(engine: SlideEncoder, slide: Slide, progress: Progress) -> NDArray[np.float16]:
    """Features [N, D] of every patch of a slide, in order of its coordinates."""

    def upcoming() -> ReadRequest | None:
        following = engine.ahead.ready()
        return None if following is None else following.job

    count, done = len(slide.job.coords), 0
    features = np.empty((count, engine.line.encoder.dim), np.float16)
    progress.start(count, "patches")
    if not count:
        return features
    for rows in engine.line.encode(slide.job, slide.reader, upcoming):
        features[done : done + len(rows)] = rows
        done += len(rows)
        progress.advance(len(rows))
    return features


def without_undecodable(slide: Slide) -> Slide:
    """The slide with only those patches whose pixels can be decoded.

    Raises: StageError: there are none.
    """
    job, cut = slide.job, slide.cut
    kept = decodable(slide.reader, job.grid, job.coords)
    if not kept.any():
        raise StageError("no patch of the slide can be decoded", where=job.path, got=f"{len(kept)} patches with tissue")
    left = None if cut is None else cut.only(kept)
    return Slide(slide.reader, replace(job, coords=job.coords[kept]), left)


def engine_for(settings: ExtractSettings) -> SlideEncoder:
    """The engine of this process for such settings.

    Raises: ExperimentError: no such encoder or device.
    """
    return _engine(settings.encoder, settings.device, settings.encoder_options(), settings.workers)


@lru_cache(maxsize=1)
def _engine(encoder: str, device: str, options: EncoderOptions, workers: int) -> SlideEncoder:
    """Built once a process: loading weights takes longer than a small slide."""
    line = FeatureExtractor(build_encoder(encoder, device, options), workers)
    return SlideEncoder(line, Prefetcher(prepare, lambda slide: slide.reader.close()))


def _meta(
    reader: SlideReader, grid: PatchGrid, encoder: Encoder, settings: ExtractSettings, digest: str
) -> FeatureMeta:
    meta = slide_meta(reader, settings, digest, encoder.name, encoder.dim, grid.footprint_x)
    meta = replace(meta, reader=reader.reader, reader_reason=reader.reader_reason)
    meta = replace(meta, colour_profile=reader.colour_profile if settings.colours == "srgb" else "")
    return replace(meta, encoder_revision=encoder.revision, weights_sha256=encoder.weights_sha256)


def _write(
    reader: SlideReader,
    bag: tuple[NDArray[np.float16], NDArray[np.int32]],
    meta: FeatureMeta,
    path: Path,
    cut: SlideTiling | None,
) -> Summary:
    """Write features, coordinates and pictures of one slide."""
    features, coords = bag
    meta = meta if cut is None else with_tissue(replace(meta, undecodable_share=reader.undecodable_share), cut)
    write_features(path, features, coords, meta, None if cut is None else cut.fractions)
    write_pictures(reader, cut, path.parent, path.stem)
    return slide_summary(path.stem, len(coords), meta)
