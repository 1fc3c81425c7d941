"""Reads the body of a request, then decodes it and runs the model outside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from numpy.typing import NDArray

from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.serving.decode import ACCEPTED, decode, decode_coords
from oceanpath.serving.errors import BusyError, MalformedError, TooLargeError
from oceanpath.serving.hdf5_reader import Hdf5Reader
from oceanpath.serving.prediction_request import Limits, PredictionRequest
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.signatures import SLIDE

COORDS = "coords"
MAX_PARALLEL = 2
"""Number of requests that are decoded or computed at the same time; the others wait. Inferences share the threads of
one onnxruntime session, one per core, so two in parallel take no longer than two in sequence."""


A = TypeVar("A")
C = TypeVar("C", covariant=True)


class Answering(Protocol[C]):
    """An engine: `oceanpath.serving.engine.Engine` or `oceanpath.serving.embedder.Embedder`."""

    def predict(self, features: NDArray[np.floating], coords: NDArray[Any] | None, provenance: Provenance, /) -> C:
        """The answer for one slide."""


class Service(Generic[A]):
    """The engine, a small thread pool, and the number of current requests."""

    def __init__(self, engine: Answering[A], settings: ServeSettings) -> None:
        self.engine = engine
        self.limits = Limits(settings.max_body_mib * 2**20, settings.max_patches)
        self._hdf5 = Hdf5Reader(self.limits)
        self._max_waiting = settings.max_waiting
        self._active = 0
        self._pool = ThreadPoolExecutor(MAX_PARALLEL, thread_name_prefix="predict")

    def close(self) -> None:
        """Stop the threads and the process that reads HDF5."""
        self._pool.shutdown()
        self._hdf5.close()

    async def predict(
        self, request: Request[Any, Any, Any], encoder: str, slide_id: str
    ) -> tuple[PredictionRequest, A]:
        """The slide of a request, and its prediction.

        Args:
            request: Its body has not been read yet.
            encoder: Encoder of the features according to the client; a value in the file takes precedence.
            slide_id: Slide of the features according to the client; a value in the file takes precedence.

        Raises: RequestError: the request cannot be answered.
        """
        with self._slot():
            body = await _body(request, self.limits.max_bytes)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._compute, body, encoder, slide_id)

    def _compute(self, body: Body, encoder: str, slide_id: str) -> tuple[PredictionRequest, A]:
        slide = decode(body.content, body.media_type, self.limits, self._hdf5.read)
        slide = slide.with_defaults(encoder, slide_id)
        if body.coords is not None:
            if slide.coords is not None:
                raise MalformedError(
                    "both files of the form contain coordinates", expected="coordinates in one of them"
                )
            slide = replace(slide, coords=decode_coords(body.coords, self.limits))
        return slide, self.engine.predict(slide.features, slide.coords, slide.provenance)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """One of a limited number of slots; acquired before the body is read, so that memory is bounded too."""
        if self._active >= self._max_waiting:
            raise BusyError(
                "too many requests are waiting", expected=f"at most {self._max_waiting}", do="Try again later."
            )
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1


class Body(NamedTuple):
    """The body of a request."""

    content: bytes | bytearray
    media_type: str
    coords: bytes | None = None
    """A second file of a form, named ``coords``."""


async def _body(request: Request[Any, Any, Any], limit: int) -> Body:
    media_type = request.content_type[0]
    try:
        if media_type == RequestEncodingType.MULTI_PART:
            return await _uploaded(request)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
    except RequestEntityTooLarge as error:
        allowed = f"at most {limit // 2**20} MiB: {ACCEPTED}"
        raise TooLargeError("the body exceeds the limit", expected=allowed, do=f"For a whole slide: {SLIDE}") from error
    return Body(body, media_type)


async def _uploaded(request: Request[Any, Any, Any]) -> Body:
    try:
        form = await request.form()
    except (UnicodeDecodeError, LookupError) as error:
        raise MalformedError("the form cannot be parsed") from error
    files = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    try:
        coords = [file for name, file in files if name == COORDS]
        others = [file for name, file in files if name != COORDS]
        if len(others) != 1 or len(coords) > 1:
            expected = f"{ACCEPTED}; for an .npy optionally its coordinates as an .npy in the field {COORDS}"
            raise MalformedError("the form must contain one file", expected=expected, got=f"{len(files)} files")
        return Body(await others[0].read(), others[0].content_type, await coords[0].read() if coords else None)
    finally:
        for _, file in files:
            await file.close()
