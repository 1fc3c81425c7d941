"""Estimate the time and size of an extraction from the masks and grids of all slides and a short sample of patches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from oceanpath.errors import OceanPathError
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.extract.prepare import SlideRequest, prepare
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slide_encoder import slide_encoder_for
from oceanpath.stages.extract.slides import shard_of, slides_of

SAMPLE_BATCHES = 4
FILE_BYTES = 8192
"""Size of a feature file without its rows."""


@dataclass(frozen=True)
class SlideForecast:
    """Expected result of one slide."""

    slide_id: str
    path: Path
    seconds: float
    """Time to open it, detect tissue and select its patches."""
    patches: int = 0
    mpp: float | None = None
    mpp_source: str = ""
    problem: str = ""
    """Why it would fail, or empty."""


@dataclass(frozen=True)
class Speed:
    """Measured speed of reading and encoding patches of one slide."""

    slide_id: str
    patches: int
    seconds: float
    dim: int

    def seconds_for(self, patches: int) -> float:
        """Time for a number of patches at this speed."""
        return self.seconds / self.patches * patches

    def bytes_for(self, patches: int, slides: int) -> int:
        """Size of the feature files of a number of patches: float16 features, int32 coordinates."""
        return patches * (2 * self.dim + 8) + slides * FILE_BYTES


def slides_to_extract(settings: ExtractSettings, inputs: Inputs) -> dict[str, Path]:
    """Slide id → file of the slides that would be extracted.

    Raises: ExperimentError: as `oceanpath.stages.extract.slides.slides_of`.
    """
    return shard_of(slides_of(settings, inputs).selected, settings.shard)


def inspect_slides(settings: ExtractSettings, slides: dict[str, Path]) -> Iterator[SlideForecast]:
    """Detect the tissue and select the patches of every slide; a slide that would fail is reported with the reason."""
    for slide_id, path in slides.items():
        start = time.perf_counter()
        try:
            slide = prepare(SlideRequest(settings, slide_id, path))
        except OceanPathError as error:
            yield SlideForecast(slide_id, path, time.perf_counter() - start, problem=error.render())
            continue
        with slide.reader as reader:
            count, mpp = len(slide.request.coords), reader.mpp
        yield SlideForecast(slide_id, path, time.perf_counter() - start, count, mpp.x, mpp.source)


def sample_speed(settings: ExtractSettings, forecast: SlideForecast) -> Speed:
    """Read and encode a few batches of a slide after one batch to warm up.

    Raises: OceanPathError: the slide or the encoder fails.
    """
    slide_encoder = slide_encoder_for(settings)
    encoder = slide_encoder.extractor.encoder
    slide = prepare(SlideRequest(settings, forecast.slide_id, forecast.path))
    with slide.reader:
        request = slide.request
        count = min(len(request.coords), SAMPLE_BATCHES * encoder.batch_size * max(1, encoder.threads))
        for coords in (request.coords[: encoder.batch_size], request.coords[:count]):
            start = time.perf_counter()
            slide_encoder.encode(replace(slide, request=replace(request, coords=coords)), Quiet())
            seconds = time.perf_counter() - start
    return Speed(forecast.slide_id, count, seconds, encoder.dim)
