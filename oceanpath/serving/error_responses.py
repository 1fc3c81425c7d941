"""Error responses as JSON."""

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
"""Maximum length of a value in a response; a body may contain names of any length."""

Reply = Response[dict[str, Any]]


def request_error(_: Request[Any, Any, Any], error: RequestError) -> Reply:
    """The response to an error of the request."""
    parts = {"what": error.what, "expected": error.expected, "got": error.got, "do": error.do}
    details = {name: _short(text) for name, text in parts.items() if text}
    headers = {"retry-after": "1"} if error.status == 503 else {}
    return _reply(error.status, error.code, _short(error.render()), details, headers)


def http_error(_: Request[Any, Any, Any], error: HTTPException) -> Reply:
    """The response when the framework rejects a request: unknown path, wrong method, large body, invalid query."""
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    message = _short(str(error.detail)) if error.status_code < 500 else "internal server error"
    return _reply(error.status_code, CODES.get(error.status_code, "refused"), message, {}, headers)


def server_error(request: Request[Any, Any, Any], error: Exception) -> Reply:
    """The response to an error of the server; the traceback is written to the log only."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _reply(500, "server_error", "internal server error; see the log of the server", {}, {})


def _short(text: str) -> str:
    """Text of bounded length, without the unpaired surrogates that JSON and file names may contain."""
    return text[:LONGEST].encode("utf-8", "replace").decode()


def _reply(status: int, code: str, message: str, details: dict[str, str], headers: dict[str, str]) -> Reply:
    content = {"error": {"status": status, "code": code, "message": message, **details}}
    return Response(content, status_code=status, headers=headers, media_type="application/json")


HANDLERS: ExceptionHandlersMap = {
    RequestError: request_error,
    HTTPException: http_error,
    Exception: server_error,
}
