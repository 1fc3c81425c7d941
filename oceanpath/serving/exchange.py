"""What the server did for one request: its id, its time, and the slides that it answered about."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from litestar.connection import ASGIConnection
from litestar.types import Scope

from oceanpath.serving.models import Model

STATE = "exchange"
"""Key of the exchange in the state of a request."""
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")


@dataclass
class SlideRecord:
    """One slide of a request, for the audit log."""

    slide_id: str | None
    model: str
    version: str
    digest: str
    answer: dict[str, Any] | None = None
    """Class, probabilities or values; never features, attention or embeddings."""
    status: int | None = None
    """None: the status of the response."""
    error: str | None = None

    @classmethod
    def of(cls, slide_id: str, model: Model) -> SlideRecord:
        """The record of a slide that is about to be predicted."""
        return cls(slide_id or None, model.name, model.version, model.facts.digest)


@dataclass
class Exchange:
    """One request."""

    request_id: str
    method: str
    path: str
    began: float = field(default_factory=time.perf_counter)
    slides: list[SlideRecord] = field(default_factory=list)
    error: str | None = None
    """The code of the error with which the request was answered."""

    @classmethod
    def begin(cls, scope: Scope) -> Exchange:
        """The exchange of a request; its id is that of the client, if it sent one of letters and digits."""
        headers = dict(scope["headers"])
        sent = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = sent if REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
        exchange = cls(request_id, str(scope.get("method", "")), scope["path"])
        scope.setdefault("state", {})[STATE] = exchange
        return exchange

    @property
    def milliseconds(self) -> float:
        """Time since the request began."""
        return round(1000 * (time.perf_counter() - self.began), 3)


def exchange_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Exchange:
    """The exchange that the middleware began."""
    exchange: Exchange = connection.scope["state"][STATE]
    return exchange
