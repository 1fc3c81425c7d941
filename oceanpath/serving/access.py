"""Keys of clients: ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.handlers import BaseRouteHandler
from pydantic import SecretStr

from oceanpath.serving.errors import UnauthorizedError

OPEN = {"open": True}
"""The `opt` of handlers that need no key: health, and pages without data."""
BEARER = "bearer "


class Keys:
    """The accepted keys, as digests; no keys accept every request."""

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        self._digests = [_digest(key.get_secret_value()) for key in keys]

    def accept(self, key: str) -> bool:
        """Whether `key` is one of the keys, in a time that does not depend on its text."""
        sent = _digest(key)
        matches = [hmac.compare_digest(sent, digest) for digest in self._digests]
        return any(matches) or not matches


def require_key(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of all handlers but the open ones; it runs before the body is read.

    Raises: UnauthorizedError: the request has no valid key.
    """
    keys: Keys = connection.app.state["keys"]
    if not handler.opt.get("open") and not keys.accept(_sent_key(connection.headers)):
        raise UnauthorizedError(
            "this server needs a key", expected="Authorization: Bearer KEY, or X-API-Key: KEY", got="no valid key"
        )


def _sent_key(headers: Headers) -> str:
    authorization = headers.get("authorization", "")
    if authorization.lower().startswith(BEARER):
        return authorization[len(BEARER) :].strip()
    return headers.get("x-api-key", "")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
