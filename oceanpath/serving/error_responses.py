"""Error responses as JSON."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from oceanpath.serving.errors import RequestError
from oceanpath.serving.exchange import exchange_of
from oceanpath.serving.responses import Fault, Problem

log = logging.getLogger("oceanpath.serving")
CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unknown_format"}
LONGEST = 400
"""Maximum length of a value in a response; a body may contain names of any length."""

Reply = Response[Problem]


def request_error(request: Request[Any, Any, Any], error: RequestError) -> Reply:
    """The response to an error of the request."""
    exchange_of(request).error = error.code
    return _reply(describe_error(error), dict(error.headers))


def describe_error(error: RequestError) -> Fault:
    """An error of a request as a part of a response."""
    fault: Fault = {"status": error.status, "code": error.code, "message": _short(error.render())}
    parts = {"what": error.what, "expected": error.expected, "got": error.got, "do": error.do}
    details: Any = {name: _short(text) for name, text in parts.items() if text}
    fault.update(details)
    return fault


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Reply:
    """The response when the framework rejects a request: unknown path, wrong method, large body, invalid query."""
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    message = _short(str(error.detail)) if error.status_code < 500 else "internal server error"
    exchange_of(request).error = code = CODES.get(error.status_code, "refused")
    return _reply({"status": error.status_code, "code": code, "message": message}, headers)


def server_error(request: Request[Any, Any, Any], error: Exception) -> Reply:
    """The response to an error of the server; the traceback is written to the log only."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    exchange_of(request).error = "server_error"
    message = "internal server error; see the log of the server"
    return _reply({"status": 500, "code": "server_error", "message": message}, {})


def _short(text: str) -> str:
    """Text of bounded length, without the unpaired surrogates that JSON and file names may contain."""
    return text[:LONGEST].encode("utf-8", "replace").decode()


def _reply(fault: Fault, headers: dict[str, str]) -> Reply:
    return Response({"error": fault}, status_code=fault["status"], headers=headers, media_type="application/json")


HANDLERS: ExceptionHandlersMap = {
    RequestError: request_error,
    HTTPException: http_error,
    Exception: server_error,
}
