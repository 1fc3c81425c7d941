"""Extract one slide, and collect all slides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.files import FeatureMeta, find_features, write_features
from oceanpath.artifacts.gather import link_tree
from oceanpath.artifacts.left_out import LeftOut, without_coords_text, write_left_out
from oceanpath.errors import ArtifactError
from oceanpath.pipeline.stage import Inputs, Part, Progress, Summary
from oceanpath.slides.encoders import Encoder
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.readers.pixels import UndecodableError
from oceanpath.stages.extract.cohort import part_key
from oceanpath.stages.extract.meta import slide_meta, with_tissue
from oceanpath.stages.extract.prepare import PreparedSlide, opener, slide_request, without_undecodable
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slide_encoder import SlideEncoder, slide_encoder_for
from oceanpath.stages.extract.slides import slides_of
from oceanpath.stages.extract.summary import cohort_summary, slide_summary
from oceanpath.stages.extract.tiling import SlideTiling, write_pictures
from oceanpath.stages.extract.trident import extract_with_trident, warn_about_bucket


def run_part(settings: ExtractSettings, inputs: Inputs, part: Part, out: Path, progress: Progress) -> Summary:
    """Write the features and the images of one slide below `out`; the file of a blank slide has no patches.

    Raises:
        ArtifactError: the slide cannot be opened or decoded.
        StageError: the slide has no plausible mpp, a lower resolution than the target or no tissue mask, or is smaller
            than a patch.
    """
    path = Path(part.payload["path"])
    if path.is_symlink() and not path.exists():
        raise ArtifactError("the slide is a link without a target", where=path, got=path.readlink())
    if settings.backend == "native":
        slide_encoder = slide_encoder_for(settings)
        slide = slide_encoder.slides.take(slide_request(settings, part))
        if inputs.upcoming is not None:
            slide_encoder.slides.expect(slide_request(settings, inputs.upcoming))
        return extract_slide(slide_encoder, slide, part, out, progress)
    with opener(settings, path)() as reader:
        digest = str(part.identity["slide"])
        features, coords, meta = extract_with_trident(reader, settings, digest, out, progress)
        return _write(reader, (features, coords), meta, _feature_file(part, out), None)


def extract_slide(
    slide_encoder: SlideEncoder, slide: PreparedSlide, part: Part, out: Path, progress: Progress
) -> Summary:
    """Write the features and the images of a prepared slide, and close it. Raises: as `run_part`."""
    settings = slide.settings
    with slide.reader as reader:
        try:
            features = slide_encoder.encode(slide, progress)
        except UndecodableError:
            if settings.on_bad_tile == "fail":
                raise
            slide = without_undecodable(slide)
            features = slide_encoder.encode(slide, progress)
        meta = _meta(slide, slide_encoder.extractor.encoder, str(part.identity["slide"]))
        if settings.geometry == "trident":
            warn_about_bucket(meta, settings, progress)
        return _write(reader, (features, slide.request.coords), meta, _feature_file(part, out), slide.tiling)


def run(settings: ExtractSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Collect the parts: one folder with the features and images of all slides, and a list of those that failed."""
    progress.start(len(inputs.parts), "slides")
    for folder in inputs.parts.values():
        link_tree(folder, out)
        progress.advance()
    slides = slides_of(settings, inputs)
    names = {part_key(name): name for name in slides.selected}
    failed = {names[key]: without_coords_text(reason, slides.root) for key, reason in inputs.failed.items()}
    write_left_out(out, LeftOut(settings.exclude, failed))
    failures = [f"failed and left out: {name}: {reason}" for name, reason in sorted(failed.items())]
    return cohort_summary(find_features(out), settings, [*failures, *slides.lines(settings.exclude)])


def _feature_file(part: Part, out: Path) -> Path:
    return out / f"{part.identity['slide_id']}.h5"


def _meta(slide: PreparedSlide, encoder: Encoder, digest: str) -> FeatureMeta:
    reader, settings = slide.reader, slide.settings
    meta = slide_meta(reader, settings, digest, encoder.name, encoder.dim, slide.request.grid.footprint_x)
    meta = replace(meta, reader=reader.reader, reader_reason=reader.reader_reason)
    meta = replace(meta, colour_profile=reader.colour_profile if settings.colours == "srgb" else "")
    return replace(meta, encoder_revision=encoder.revision, weights_sha256=encoder.weights_sha256)


def _write(
    reader: SlideReader,
    bag: tuple[NDArray[np.floating], NDArray[np.int32]],
    meta: FeatureMeta,
    path: Path,
    tiling: SlideTiling | None,
) -> Summary:
    """Write features, coordinates and images of one slide."""
    features, coords = bag
    meta = meta if tiling is None else with_tissue(replace(meta, undecodable_share=reader.undecodable_share), tiling)
    write_features(path, features, coords, meta, None if tiling is None else tiling.fractions)
    write_pictures(reader, tiling, path.parent, path.stem)
    return slide_summary(path.stem, len(coords), meta)
