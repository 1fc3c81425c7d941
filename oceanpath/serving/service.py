"""From a request to an answer: read the body, then decode it and run the model off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from oceanpath.serving.decode import ACCEPTED, decode, decode_coords
from oceanpath.serving.engine import Engine, Prediction
from oceanpath.serving.errors import BusyError, MalformedError, TooLargeError
from oceanpath.serving.hdf5_reader import Hdf5Reader
from oceanpath.serving.prediction_request import Limits, PredictionRequest
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.signatures import SLIDE

COORDS = "coords"
AT_ONCE = 2
"""Requests that are decoded or computed at the same time; the others wait. Two inferences share the threads of the one
onnxruntime session, one per core, so that together they take no longer than one after the other."""


class Service:
    """The engine, a small pool of threads, and the count of questions in work."""

    def __init__(self, engine: Engine, settings: ServeSettings) -> None:
        self.engine = engine
        self.limits = Limits(settings.max_body_mib * 2**20, settings.max_patches)
        self._hdf5 = Hdf5Reader(self.limits)
        self._most = settings.max_waiting
        self._inside = 0
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="predict")

    def close(self) -> None:
        """Let go of the threads and of the process that reads HDF5."""
        self._pool.shutdown()
        self._hdf5.close()

    async def answer(
        self, request: Request[Any, Any, Any], encoder: str, slide_id: str
    ) -> tuple[PredictionRequest, Prediction]:
        """What was asked and what the model says.

        Args:
            request: Its body is not read yet.
            encoder: What made the features, as the client says; the file's own word goes first.
            slide_id: Whose features they are, as the client says.

        Raises: QuestionError: the question cannot be answered.
        """
        with self._place():
            body = await _body(request, self.limits.max_bytes)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._compute, body, encoder, slide_id)

    def _compute(self, body: Body, encoder: str, slide_id: str) -> tuple[PredictionRequest, Prediction]:
        question = decode(body.content, body.media_type, self.limits, self._hdf5.read)
        question = question.completed(encoder, slide_id)
        if body.coords is not None:
            if question.coords is not None:
                raise MalformedError("two lists of coordinates", expected="one", got="one in each file")
            question = replace(question, coords=decode_coords(body.coords, self.limits))
        return question, self.engine.predict(question.features, question.coords, question.about)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places in line; taken before the body is read, so that memory is bounded too."""
        if self._inside >= self._most:
            raise BusyError(
                "enough questions are waiting already", expected=f"at most {self._most}", do="Try again soon."
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


class Body(NamedTuple):
    """What a request carries."""

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
        most = f"at most {limit // 2**20} MiB: {ACCEPTED}"
        raise TooLargeError("the body is over the limit", expected=most, do=f"Is it a whole slide? {SLIDE}") from error
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
            expected = f"{ACCEPTED}; beside it, for an .npy, coordinates as an .npy in the field {COORDS}"
            raise MalformedError("the form must hold one file", expected=expected, got=f"{len(files)} files")
        return Body(await others[0].read(), others[0].content_type, await coords[0].read() if coords else None)
    finally:
        for _, file in files:
            await file.close()
