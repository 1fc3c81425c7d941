"""Checks of every request (host name, time limit of the body) and headers of every response."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from contextlib import suppress

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from oceanpath.artifacts.bundle.folder import NOTICE
from oceanpath.serving.errors import TimeoutExceededError

HEADERS = (
    (b"x-oceanpath-notice", NOTICE.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
)
DRAINED = 64 * 2**20
"""Bytes of a rejected body that are read and discarded."""


class RequestMiddleware:
    """ASGI middleware; it does not change requests otherwise."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], body_seconds: float) -> None:
        """Wrap `app`.

        Args:
            app: The application.
            hosts: Accepted names in the Host header, without port; empty: all. This prevents DNS rebinding: a web page
                whose name resolves to this machine cannot read responses.
            body_seconds: Maximum time until the whole body has arrived.
        """
        self.app, self.hosts, self.body_seconds = app, frozenset(hosts), body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return

        body = _Body(receive, self.body_seconds)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drain()
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        if self.hosts and _host(scope) not in self.hosts:
            await _reject(send_with_headers)
            return
        await self.app(scope, body.receive, send_with_headers)


class _Body:
    """The body of one request, with a deadline."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive, self._seconds = receive, seconds
        self._end = asyncio.get_running_loop().time() + seconds
        self._complete = False

    async def receive(self) -> HTTPReceiveMessage:
        """The next message. Raises TimeoutExceededError at the deadline, because a slow body delays other requests."""
        if self._complete:
            return await self._receive()  # type: ignore[return-value]  # only HTTP scopes come here
        left = max(0.001, self._end - asyncio.get_running_loop().time())
        try:
            message = await asyncio.wait_for(self._receive(), left)
        except TimeoutError as error:
            self._complete = True
            raise TimeoutExceededError(
                "the body did not arrive in time", expected=f"{self._seconds:g} seconds"
            ) from error
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


async def _reject(send: Send) -> None:
    message = "the Host header is not a name of this server; start it with --allow-remote to accept other names"
    body = json.dumps({"error": {"status": 421, "code": "wrong_host", "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 421, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
