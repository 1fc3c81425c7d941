"""From a request to an answer: read the body, then decode it and run the model off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from oceanpath.serving.decode import ACCEPTED, decode
from oceanpath.serving.engine import Engine, Prediction
from oceanpath.serving.hdf5_reader import Hdf5Reader
from oceanpath.serving.problems import BusyError, MalformedError, TooLargeError
from oceanpath.serving.question import Limits, Question
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.signatures import SLIDE

AT_ONCE = 2
"""One question can be decoded while another is computed; the model itself uses all processors."""


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

    async def answer(self, request: Request[Any, Any, Any], encoder: str) -> tuple[Question, Prediction]:
        """What was asked and what the model says.

        Args:
            request: Its body is not read yet.
            encoder: What made the features, as the client says; the file's own word goes first.

        Raises: QuestionError: the question cannot be answered.
        """
        with self._place():
            body, media_type = await _body(request, self.limits.max_bytes)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._compute, body, media_type, encoder)

    def _compute(self, body: bytes | bytearray, media_type: str, encoder: str) -> tuple[Question, Prediction]:
        question = decode(body, media_type, self.limits, self._hdf5.read)
        return question, self.engine.predict(question.features, question.encoder or encoder)

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


async def _body(request: Request[Any, Any, Any], limit: int) -> tuple[bytes | bytearray, str]:
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
    return body, media_type


async def _uploaded(request: Request[Any, Any, Any]) -> tuple[bytes, str]:
    try:
        form = await request.form()
    except (UnicodeDecodeError, LookupError) as error:
        raise MalformedError("the form cannot be parsed") from error
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    try:
        if len(files) != 1:
            raise MalformedError("the form must hold one file", expected=ACCEPTED, got=f"{len(files)} files")
        return await files[0].read(), files[0].content_type
    finally:
        for file in files:
            await file.close()
