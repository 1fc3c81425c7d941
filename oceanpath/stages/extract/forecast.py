"""What extraction would take, from the masks and grids of all slides and a short sample of patches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from oceanpath.errors import OceanPathError
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slides import shard_of, slides_of
from oceanpath.stages.extract.work import Slide, Wanted, encode_patches, engine_for, prepare

SAMPLE_BATCHES = 4
FILE_BYTES = 8192
"""A feature file beside its rows."""


@dataclass(frozen=True)
class SlideForecast:
    """What one slide would give."""

    slide_id: str
    path: Path
    seconds: float
    """To open it, to find its tissue and to place its patches."""
    patches: int = 0
    mpp: float | None = None
    mpp_source: str = ""
    problem: str = ""
    """Why it would fail; else empty."""


@dataclass(frozen=True)
class Speed:
    """How fast patches of one slide were read and encoded just now."""

    slide_id: str
    patches: int
    seconds: float
    dim: int

    def seconds_for(self, patches: int) -> float:
        """The time of so many patches at this speed."""
        return self.seconds / self.patches * patches

    def bytes_for(self, patches: int, slides: int) -> int:
        """Size of the feature files of so many patches: float16 features, int32 coordinates."""
        return patches * (2 * self.dim + 8) + slides * FILE_BYTES


def chosen(settings: ExtractSettings, inputs: Inputs) -> dict[str, Path]:
    """Slide id → file of the slides that would be extracted.

    Raises: ExperimentError: as `oceanpath.stages.extract.slides.slides_of`.
    """
    return shard_of(slides_of(settings, inputs).wanted, settings.shard)


def inspect_slide(settings: ExtractSettings, slides: dict[str, Path]) -> Iterator[SlideForecast]:
    """Find the tissue and the patches of every slide, one after the other; a bad slide is said to be one."""
    for name, path in slides.items():
        started = time.perf_counter()
        try:
            slide = prepare(Wanted(settings, name, path))
        except OceanPathError as error:
            yield SlideForecast(name, path, time.perf_counter() - started, problem=error.render())
            continue
        with slide.reader as reader:
            count, mpp = len(slide.job.coords), reader.mpp
        yield SlideForecast(name, path, time.perf_counter() - started, count, mpp.x, mpp.source)


def sample_speed(settings: ExtractSettings, outlook: SlideForecast) -> Speed:
    """Read and encode a few batches of a slide after one batch to warm up.

    Raises: OceanPathError: the slide or the encoder fails.
    """
    engine = engine_for(settings)
    slide = prepare(Wanted(settings, outlook.slide_id, outlook.path))
    with slide.reader as reader:
        size = engine.line.encoder.batch_size
        count = min(len(slide.job.coords), SAMPLE_BATCHES * size * max(1, engine.line.encoder.threads))
        for coords in (slide.job.coords[:size], slide.job.coords[:count]):
            started = time.perf_counter()
            encode_patches(engine, Slide(reader, replace(slide.job, coords=coords)), Quiet())
            seconds = time.perf_counter() - started
    return Speed(outlook.slide_id, count, seconds, engine.line.encoder.dim)
