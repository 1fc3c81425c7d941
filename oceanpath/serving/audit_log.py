"""The audit log: one line of JSON per slide, and per POST request that was answered without one.

    time          UTC, ISO 8601
    request       id of the request, also in the response header x-request-id
    path          the requested path
    slide_id, model, version, digest    null if the request was refused before they were known
    answer        predicted class, decision and probabilities, or values; null for embeddings and errors
    status, error     HTTP status, and the code of the error or null
    milliseconds  from the first byte of the request to the answer

Features, attention, embeddings and keys are never written.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oceanpath.errors import ExperimentError
from oceanpath.serving.exchange import Exchange, SlideRecord

NO_SLIDE = {"slide_id": None, "model": None, "version": None, "digest": None, "answer": None}


class AuditLog:
    """Appends to a file; several processes may append to the same file."""

    def __init__(self, path: Path) -> None:
        """Raises: ExperimentError: the file cannot be written."""
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            do = "Name a file in an existing folder that this user may write."
            raise ExperimentError(
                "the audit log cannot be written", where="--audit-log", got=f"{path}: {error.strerror}", do=do
            ) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def write(self, exchange: Exchange, status: int) -> None:
        """Append the lines of a request, before its response is sent.

        Raises: OSError: they cannot be written.
        """
        lines = [_line(exchange, status, slide) for slide in exchange.slides]
        if not lines and exchange.method == "POST":
            lines = [_line(exchange, status, None)]
        if lines:
            content = "".join(lines).encode()
            # one call, so that lines of several processes do not mix
            if os.write(self._file, content) < len(content):
                raise OSError("a line of the audit log was not written completely")


def _line(exchange: Exchange, status: int, slide: SlideRecord | None) -> str:
    record: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request": exchange.request_id,
        "path": exchange.path,
        **(NO_SLIDE if slide is None else asdict(slide)),
        "milliseconds": exchange.milliseconds,
    }
    record["status"] = status if slide is None or slide.status is None else slide.status
    record["error"] = exchange.error if slide is None or slide.error is None else slide.error
    return json.dumps(record, ensure_ascii=True) + "\n"
