"""Errors as JSON."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from oceanpath.serving.errors import RequestError

log = logging.getLogger("oceanpath.serving")
CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unknown_format"}
LONGEST = 400
"""Characters of a value that are sent back; a body may hold names of any length."""

Reply = Response[dict[str, Any]]


def request_error(_: Request[Any, Any, Any], error: RequestError) -> Reply:
    """The question was wrong: say how."""
    facts = {"what": error.what, "expected": error.expected, "got": error.got, "do": error.do}
    said = {name: _short(text) for name, text in facts.items() if text}
    headers = {"retry-after": "1"} if error.status == 503 else {}
    return _reply(error.status, error.code, _short(error.render()), said, headers)


def http_error(_: Request[Any, Any, Any], error: HTTPException) -> Reply:
    """The framework refused the request: unknown path, wrong method, body over the limit, bad query."""
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    said = _short(str(error.detail)) if error.status_code < 500 else "the server failed"
    return _reply(error.status_code, CODES.get(error.status_code, "refused"), said, {}, headers)


def server_error(request: Request[Any, Any, Any], error: Exception) -> Reply:
    """Our fault: the trace goes to the log, and nothing of it to the client."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _reply(500, "server_error", "the server failed; its log says why", {}, {})


def _short(text: str) -> str:
    """Text for the answer: of bounded length, and without the half characters that JSON and file names may hold."""
    return text[:LONGEST].encode("utf-8", "replace").decode()


def _reply(status: int, code: str, message: str, said: dict[str, str], headers: dict[str, str]) -> Reply:
    content = {"error": {"status": status, "code": code, "message": message, **said}}
    return Response(content, status_code=status, headers=headers, media_type="application/json")


HANDLERS: ExceptionHandlersMap = {
    RequestError: request_error,
    HTTPException: http_error,
    Exception: server_error,
}
