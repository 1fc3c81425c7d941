"""Checks of every request (host name, time limit of the body), headers of every response, and their records."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPResponseStartEvent, Message, Receive, Scope, Send

from oceanpath.artifacts.bundle.folder import NOTICE
from oceanpath.serving.audit_log import AuditLog
from oceanpath.serving.errors import TimeoutExceededError
from oceanpath.serving.exchange import Exchange
from oceanpath.serving.metrics import Metrics

log = logging.getLogger("oceanpath.serving")
HEADERS = (
    (b"x-oceanpath-notice", NOTICE.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
)
DRAINED = 64 * 2**20
"""Bytes of a rejected body that are read and discarded."""


@dataclass(frozen=True)
class Records:
    """Where requests are recorded."""

    metrics: Metrics
    audit: AuditLog | None


class RequestMiddleware:
    """ASGI middleware; it does not change requests otherwise."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], body_seconds: float, records: Records) -> None:
        """Wrap `app`.

        Args:
            app: The application.
            hosts: Accepted names in the Host header, without port; empty: all. This prevents DNS rebinding: a web page
                whose name resolves to this machine cannot read responses.
            body_seconds: Maximum time until the whole body has arrived.
            records: Where requests are recorded.
        """
        self.app, self.hosts, self.body_seconds, self.records = app, frozenset(hosts), body_seconds, records

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return

        body, exchange = _Body(receive, self.body_seconds), Exchange.begin(scope)
        sending = _Sending(send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drain()
                if not self._record(exchange, scope, message):
                    await sending.replace(503, "audit_failed", "the audit log of the server cannot be written")
                    return
                message["headers"] = [*message["headers"], *HEADERS, (b"x-request-id", exchange.request_id.encode())]
            await sending.send(message)

        if self.hosts and _host(scope) not in self.hosts:
            reason = "the Host header is not a name of this server; start it with --allow-remote to accept other names"
            await _reject(send_with_headers, 421, "wrong_host", reason)
            return
        await self.app(scope, body.receive, send_with_headers)

    def _record(self, exchange: Exchange, scope: Scope, start: HTTPResponseStartEvent) -> bool:
        """Whether the request was recorded. A prediction that is not in the audit log must not be sent."""
        self.records.metrics.observe_request(exchange, scope.get("path_template", ""), start["status"])
        try:
            if self.records.audit is not None:
                self.records.audit.write(exchange, start["status"])
        except OSError as error:
            log.error("the audit log cannot be written: %s", error)
            return False
        return True


class _Sending:
    """The response of one request, which may be replaced before it begins."""

    def __init__(self, send: Send) -> None:
        self._send, self._is_replaced = send, False

    async def send(self, message: Message) -> None:
        """Send a part of the response, unless it was replaced."""
        if not self._is_replaced:
            await self._send(message)

    async def replace(self, status: int, code: str, message: str) -> None:
        """Send an error instead of the response."""
        await _reject(self._send, status, code, message)
        self._is_replaced = True


class _Body:
    """The body of one request, with a limit of the time that is spent waiting for it."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive, self._seconds, self._left = receive, seconds, seconds
        self._complete = False

    async def receive(self) -> HTTPReceiveMessage:
        """The next message. Raises TimeoutExceededError after the limit, because a slow body delays other requests."""
        if self._complete:
            return await self._receive()  # type: ignore[return-value]  # only HTTP scopes come here
        began = asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.001, self._left))
        except TimeoutError as error:
            self._complete = True
            raise TimeoutExceededError(
                "the body did not arrive in time", expected=f"{self._seconds:g} seconds"
            ) from error
        self._left -= asyncio.get_running_loop().time() - began
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message  # type: ignore[return-value]  # likewise

    async def drain(self) -> None:
        """Read and discard the rest, up to a limit: most clients send the whole body before they read the response."""
        discarded = 0
        while not self._complete and discarded < DRAINED:
            with suppress(TimeoutExceededError):
                message = await self.receive()
                discarded += len(message["body"]) if message["type"] == "http.request" else 0


def _host(scope: Scope) -> str:
    raw = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
    return raw.rpartition("]")[0].lstrip("[") if raw.startswith("[") else raw.partition(":")[0]


async def _reject(send: Send, status: int, code: str, message: str) -> None:
    body = json.dumps({"error": {"status": status, "code": code, "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
