"""The bounded queue: reads the body of a request, then decodes it and runs the model outside the event loop."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.serving.answers import AnyAnswer, BatchAnswer, Options, describe_answer
from oceanpath.serving.bodies import AnyRequest, Body, read_bodies, read_body
from oceanpath.serving.bounded_pool import BoundedPool
from oceanpath.serving.decode import Readers, decode, decode_coords
from oceanpath.serving.error_responses import describe_error
from oceanpath.serving.errors import MalformedError, RequestError
from oceanpath.serving.exchange import Exchange, SlideRecord, exchange_of
from oceanpath.serving.hdf5_reader import Hdf5Reader
from oceanpath.serving.metrics import Metrics
from oceanpath.serving.models import Model
from oceanpath.serving.patch_stream import PatchLayout, PatchStream, find_layout
from oceanpath.serving.prediction_request import Limits, PredictionRequest
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.slide_engine import SlidePrediction
from oceanpath.serving.slide_folder import SlideFolder

MAX_PARALLEL = 2
"""Number of requests that are decoded or computed at the same time; the others wait. Inferences share the threads of
one onnxruntime session, one per core, so two in parallel take no longer than two in sequence."""

A = TypeVar("A")
R = TypeVar("R")


class Service:
    """Predictions of requests, in a thread pool with a limited number of slots."""

    def __init__(self, settings: ServeSettings, metrics: Metrics, slides: SlideFolder) -> None:
        self.limits = Limits(settings.max_body_mib * 2**20, settings.max_patches)
        self._hdf5 = Hdf5Reader(self.limits)
        self._readers = Readers(self._hdf5.read, lambda slide_id, level: slides.read(slide_id, self.limits, level))
        self._settings, self._metrics = settings, metrics
        self._pool = BoundedPool(
            "prediction", MAX_PARALLEL, settings.max_waiting, settings.answer_seconds, metrics.active
        )

    def close(self) -> None:
        """Stop the threads and the process that reads HDF5."""
        self._pool.close()
        self._hdf5.close()

    async def predict(self, request: AnyRequest, model: Model, options: Options) -> AnyAnswer:
        """The answer for the slide of a request, whose body has not been read yet.

        Raises: RequestError: the request cannot be answered.
        """
        exchange = exchange_of(request)
        streamed = PredictionRequest(np.empty((0, 0))).with_defaults(options.encoder, options.slide_id)

        def begin(body: bytearray) -> PatchStream | None:
            layout = find_layout(body, model.facts.contract, self.limits)
            if layout is None:
                return None
            return self.begin(layout, streamed.provenance, model, exchange, explains=options.contributions)

        async def read() -> Body | PatchStream:
            return await read_body(request, self.limits.max_bytes, begin)

        def answer(body: Body | PatchStream) -> AnyAnswer:
            if isinstance(body, Body):
                return self._answer(self._decode(body, model, options), model, options, exchange)
            return describe_answer(model.engine, streamed, self.complete(body, model, exchange), options)

        return await self.run(read, answer)

    async def predict_batch(self, request: AnyRequest, model: Model, options: Options) -> list[BatchAnswer]:
        """The answers for all slides of a request, in its order; a slide that cannot be predicted has its error.

        Raises: RequestError: the body has no list of slides.
        """
        exchange = exchange_of(request)

        async def read() -> list[Body]:
            return await read_bodies(request, self.limits, self._settings.max_batch)

        def answer(bodies: list[Body]) -> list[BatchAnswer]:
            return [self._answer_or_error(body, model, options, exchange) for body in bodies]

        return await self.run(read, answer)

    def _answer_or_error(self, body: Body, model: Model, options: Options, exchange: Exchange) -> BatchAnswer:
        before = len(exchange.slides)
        try:
            slide = self._decode(body, model, replace(options, slide_id=body.name))
            answer = self._answer(slide, model, options, exchange)
            exchange.slides[-1].status = 200
        except RequestError as error:
            if len(exchange.slides) == before:  # it could not be decoded
                exchange.slides.append(SlideRecord.of(body.name, model))
            exchange.slides[-1].status, exchange.slides[-1].error = error.status, error.code
            return {"slide_id": body.name or None, "status": error.status, "error": describe_error(error)}
        return {"slide_id": answer["slide_id"], "status": 200, "answer": answer}

    def _decode(self, body: Body, model: Model, options: Options) -> PredictionRequest:
        level = model.facts.contract.level
        slide = decode(body.content, body.media_type, self.limits, self._readers, level)
        slide = slide.with_defaults(options.encoder, options.slide_id)
        if body.coords is None:
            return slide
        if slide.coords is not None:
            raise MalformedError("both files of the form contain coordinates", expected="coordinates in one of them")
        return replace(slide, coords=decode_coords(body.coords, self.limits))

    def _answer(self, slide: PredictionRequest, model: Model, options: Options, exchange: Exchange) -> AnyAnswer:
        return describe_answer(
            model.engine, slide, self.predict_slide(slide, model, exchange, explains=options.contributions), options
        )

    def begin(
        self, layout: PatchLayout, provenance: Provenance, model: Model, exchange: Exchange, *, explains: bool = False
    ) -> PatchStream:
        """A slide whose patches are evaluated while they arrive; `complete` gives its prediction.

        Raises: RequestError: the provenance does not meet the contract of the model.
        """
        exchange.slides.append(SlideRecord.of(provenance.slide_id, model))
        run = model.engine.begin(layout.shape[0], provenance, explains=explains)
        return PatchStream(layout, run, self._pool.start)

    def complete(self, patches: PatchStream, model: Model, exchange: Exchange) -> SlidePrediction:
        """The prediction for a slide whose patches have arrived, recorded as by `predict_slide`; call it in `run`.

        Raises: RequestError: the features do not meet the contract of the model.
        """
        prediction = model.engine.complete(patches.run.finish())
        return self._record(prediction, patches.run.seconds, model, exchange)

    def predict_slide(
        self, slide: PredictionRequest, model: Model, exchange: Exchange, *, explains: bool = False
    ) -> SlidePrediction:
        """The prediction for one slide, recorded for the audit log and the metrics; call it in `run`.

        Raises: RequestError: the features do not meet the contract of the model.
        """
        exchange.slides.append(SlideRecord.of(slide.provenance.slide_id, model))
        began = time.perf_counter()
        prediction = model.engine.predict(slide.features, slide.coords, slide.provenance, explains=explains)
        return self._record(prediction, time.perf_counter() - began, model, exchange)

    def _record(self, prediction: SlidePrediction, seconds: float, model: Model, exchange: Exchange) -> SlidePrediction:
        self._metrics.observe_inference(model.name, seconds, prediction.n_patches)
        exchange.slides[-1].answer = model.engine.audited(prediction)
        return prediction

    async def run(self, read: Callable[[], Awaitable[R]], work: Callable[[R], A]) -> A:
        """The result of `work` in a thread; see `BoundedPool.run`."""
        return await self._pool.run(read, work)
