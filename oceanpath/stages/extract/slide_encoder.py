"""The encoder of this process, its reader processes, and the slide that is prepared in advance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from oceanpath.pipeline.stage import Progress
from oceanpath.slides.encoders import build_encoder
from oceanpath.slides.encoders.spec import EncoderOptions
from oceanpath.slides.engine.feature_extractor import FeatureExtractor
from oceanpath.slides.engine.prefetch import Prefetcher
from oceanpath.slides.engine.reader_pool import ReadRequest
from oceanpath.stages.extract.prepare import PreparedSlide, SlideRequest, prepare
from oceanpath.stages.extract.settings import ExtractSettings


@dataclass(frozen=True)
class SlideEncoder:
    """Encodes slides one at a time; reused for all slides."""

    extractor: FeatureExtractor
    slides: Prefetcher[SlideRequest, PreparedSlide]

    @classmethod
    def of(cls, extractor: FeatureExtractor) -> SlideEncoder:
        """A slide encoder with no slide prepared yet."""
        return cls(extractor, Prefetcher(prepare, lambda slide: slide.reader.close()))

    def encode(self, slide: PreparedSlide, progress: Progress) -> NDArray[np.float16]:
        """Features [N, D] of every patch of a slide, in the order of its coordinates."""

        def upcoming() -> ReadRequest | None:
            following = self.slides.ready()
            return None if following is None else following.request

        count, done = len(slide.request.coords), 0
        features = np.empty((count, self.extractor.encoder.dim), np.float16)
        progress.start(count, "patches")
        if not count:
            return features
        for rows in self.extractor.encode(slide.request, slide.reader, upcoming):
            features[done : done + len(rows)] = rows
            done += len(rows)
            progress.advance(len(rows))
        return features


def slide_encoder_for(settings: ExtractSettings) -> SlideEncoder:
    """The slide encoder of this process for these settings.

    Raises: ExperimentError: no such encoder or device.
    """
    return _slide_encoder(settings.encoder, settings.device, settings.encoder_options(), settings.workers)


@lru_cache(maxsize=1)
def _slide_encoder(encoder: str, device: str, options: EncoderOptions, workers: int) -> SlideEncoder:
    """Built once per process, because loading weights takes longer than a small slide."""
    return SlideEncoder.of(FeatureExtractor(build_encoder(encoder, device, options), workers))
