"""Open a slide and select its patches for encoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from oceanpath.errors import StageError
from oceanpath.pipeline.stage import Part
from oceanpath.slides.engine.reader_pool import ReadRequest
from oceanpath.slides.patches import decodable
from oceanpath.slides.reader import SlideReader, open_slide
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.tiling import SlideTiling, tile_slide


class SlideRequest(NamedTuple):
    """A slide to be prepared."""

    settings: ExtractSettings
    slide_id: str
    """May differ from the name of the file: a DICOM slide is named after its folder."""
    path: Path


@dataclass(frozen=True)
class PreparedSlide:
    """An open slide with the coordinates of its patches."""

    settings: ExtractSettings
    reader: SlideReader
    request: ReadRequest
    tiling: SlideTiling


def slide_request(settings: ExtractSettings, part: Part) -> SlideRequest:
    """The slide of a part."""
    return SlideRequest(settings, str(part.identity["slide_id"]), Path(part.payload["path"]))


def prepare(request: SlideRequest) -> PreparedSlide:
    """Open a slide and select its patches.

    Raises: ArtifactError, StageError: as `oceanpath.stages.extract.work.run_part`.
    """
    settings, slide_id, path = request
    open_reader = opener(settings, path)
    reader = open_reader()
    try:
        tiling = tile_slide(reader, settings, slide_id)
    except BaseException:
        reader.close()
        raise
    return PreparedSlide(settings, reader, ReadRequest(path, open_reader, tiling.grid, tiling.coords), tiling)


def opener(settings: ExtractSettings, path: Path) -> Callable[[], SlideReader]:
    """A function that opens a slide according to the settings; can be pickled."""
    return partial(
        open_slide,
        path,
        override_mpp=settings.mpp,
        default_mpp=settings.default_mpp,
        limit_s=settings.vendor_limit_s,
        skip_undecodable=settings.on_bad_tile == "skip",
        to_srgb=settings.colours == "srgb",
    )


def without_undecodable(slide: PreparedSlide) -> PreparedSlide:
    """The slide with only those patches whose pixels can be decoded.

    Raises: StageError: there are none.
    """
    request = slide.request
    kept = decodable(slide.reader, request.grid, request.coords)
    if not kept.any():
        got = f"{len(kept)} patches with tissue"
        raise StageError("no patch of the slide can be decoded", where=request.path, got=got)
    return replace(slide, request=replace(request, coords=request.coords[kept]), tiling=slide.tiling.only(kept))
