"""Reads the body of a request: the bytes of one slide, or the files of a form."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.serving.decode import ACCEPTED, parse_json
from oceanpath.serving.errors import MalformedError, TooLargeError
from oceanpath.serving.patch_stream import HEADER, PatchStream
from oceanpath.serving.prediction_request import Limits, validate_id
from oceanpath.serving.signatures import SLIDE

COORDS = "coords"
"""Field of a form with the coordinates of the patches of an .npy."""
AnyRequest = Request[Any, Any, Any]


class Body(NamedTuple):
    """The bytes of one slide."""

    content: bytes | bytearray
    media_type: str
    coords: bytes | None = None
    """A second file of a form, named ``coords``."""
    name: str = ""
    """Name of the file, if it is one of several."""


Begin = Callable[[bytearray], PatchStream | None]
"""Begins to evaluate a body by its first bytes; None for one that is read as a whole."""


async def read_body(request: AnyRequest, limit: int, begin: Begin) -> Body | PatchStream:
    """The body of one slide, as bytes or in a form, or its patches that were evaluated while it arrived.

    Raises: TooLargeError: it has more than `limit` bytes. MalformedError: a form without exactly one slide, or a body
        of another size than it states.
    """
    media_type = request.content_type[0]
    if media_type == RequestEncodingType.MULTI_PART:
        return await _one_file(request, limit)
    body = await read_stream(request, limit, begin)
    return body if isinstance(body, PatchStream) else Body(body, media_type)


async def read_bodies(request: AnyRequest, limits: Limits, most: int) -> list[Body]:
    """The slides of a batch: the files of a form, or the ids in JSON, each as the body of a request of its own.

    Raises: TooLargeError: more than `most` slides, or too many bytes. MalformedError: no list of slides, or an id that
        is no text.
    """
    if request.content_type[0] == RequestEncodingType.MULTI_PART:
        bodies = [body._replace(name=slide_id(body.name)) for _, body in await read_files(request, limits.max_bytes)]
    else:
        fields = parse_json(b"".join([chunk async for chunk in _chunks(request, limits.max_bytes)]), limits)
        ids = fields.get("slide_ids") if isinstance(fields, dict) and set(fields) == {"slide_ids"} else None
        if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            raise MalformedError("the JSON does not have the expected fields", expected='{"slide_ids": ["...", ...]}')
        bodies = [Body(json.dumps({"slide_id": each}).encode(), "application/json", name=each) for each in ids]
    if not bodies:
        raise MalformedError("the batch has no slides", expected='files of a form, or {"slide_ids": ["...", ...]}')
    if len(bodies) > most:
        raise TooLargeError("the batch has too many slides", expected=f"at most {most}", got=len(bodies))
    for body in bodies:
        validate_id(body.name)
    return bodies


async def read_stream(request: AnyRequest, limit: int, begin: Begin) -> bytearray | PatchStream:
    """The bytes of a body, or its patches that were evaluated while it arrived.

    Raises: TooLargeError: more than `limit` bytes. MalformedError: patches of another size than stated.
    """
    body, patches, is_undecided = bytearray(), None, True
    async for chunk in _chunks(request, limit):
        if patches is not None:
            await patches.feed(chunk)
            continue
        body += chunk
        if is_undecided and len(body) >= HEADER:
            patches, is_undecided = begin(body), False
            if patches is not None:
                await patches.feed(memoryview(body)[patches.layout.offset :])
    if patches is None:
        return body
    await patches.end()
    return patches


async def _chunks(request: AnyRequest, limit: int) -> AsyncIterator[bytes]:
    """The parts of a body. Raises: TooLargeError: more than `limit` bytes."""
    try:
        async for chunk in request.stream():
            yield chunk
    except RequestEntityTooLarge as error:
        raise _too_large(limit) from error


async def _one_file(request: AnyRequest, limit: int) -> Body:
    files = await read_files(request, limit)
    coords = [file for field, file in files if field == COORDS]
    others = [file for field, file in files if field != COORDS]
    if len(others) != 1 or len(coords) > 1:
        expected = f"{ACCEPTED}; for an .npy optionally its coordinates as an .npy in the field {COORDS}"
        raise MalformedError("the form must contain one file", expected=expected, got=f"{len(files)} files")
    return others[0]._replace(coords=bytes(coords[0].content) if coords else None, name="")


async def read_files(request: AnyRequest, limit: int) -> list[tuple[str, Body]]:
    """The files of a form, each with its field. Raises: as `read_body`."""
    try:
        form = await request.form()
    except RequestEntityTooLarge as error:
        raise _too_large(limit) from error
    except (UnicodeDecodeError, LookupError) as error:
        raise MalformedError("the form cannot be parsed") from error
    files = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    try:
        return [(name, Body(await file.read(), file.content_type, name=file.filename or "")) for name, file in files]
    finally:
        for _, file in files:
            await file.close()


def _too_large(limit: int) -> TooLargeError:
    allowed = f"at most {limit // 2**20} MiB: {ACCEPTED}"
    return TooLargeError("the body exceeds the limit", expected=allowed, do=f"For a whole slide: {SLIDE}")
