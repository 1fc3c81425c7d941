"""A process with a maker's library in it: started for one slide, asked, given up when it dies or is silent too long."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from oceanpath.child_process import Child
from oceanpath.errors import ArtifactError, MissingExtraError, StageError
from oceanpath.slides.readers.vendor import child
from oceanpath.slides.readers.vendor.makers import Maker, surroundings
from oceanpath.slides.readers.vendor.messages import packed, received

REFUSALS = {"error", "unloadable"}
REMEMBERED = 4
PIECE = 1 << 20
LEAVE_OUT = "Open it with the maker's program and export SVS or pyramidal TIFF, or leave it out with extract.exclude."


class VendorProcess:
    """A child with one slide open. Safe from several threads, which wait for each other."""

    def __init__(self, path: Path, maker: Maker, limit_s: float) -> None:
        """Start it; nothing is opened yet.

        Args:
            path: The slide.
            maker: The package that reads it.
            limit_s: Seconds after which one request is given up.
        """
        self._path, self._maker, self._limit_s = path, maker, limit_s
        self._lock = threading.Lock()
        self._said: deque[str] = deque(maxlen=REMEMBERED)
        self._fault: StageError | None = None
        self._process = Child(
            [sys.executable, "-P", "-u", "-m", child.__name__, path.suffix.lower(), str(limit_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=surroundings(maker),
            start_new_session=True,
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._replies = cast("IO[bytes]", self._process.stdout)
        self._pump = threading.Thread(target=_remember, args=(self._process.stderr, self._said), daemon=True)
        self._pump.start()

    def ask(self, request: Mapping[str, Any], refused: str, count: int = 0) -> tuple[dict[str, Any], bytes]:
        """Reply and payload of one request.

        Args:
            request: See `oceanpath.slides.readers.vendor.child`.
            refused: What to say where the library raises.
            count: Bytes of the payload, where it does not.

        Raises:
            ArtifactError: the library refused, in its own words.
            MissingExtraError: the library cannot be loaded.
            StageError: the process died, said nothing for `limit_s` or talked nonsense. It is gone then.
        """
        with self._lock:
            if self._fault is not None:
                raise self._fault
            try:
                reply, payload = self._talk(request)
                if len(payload) != count and not REFUSALS & set(reply):
                    raise self._gone("talked nonsense", f"{len(payload)} bytes for {count}")
            except StageError as fault:
                self._fault = fault
                self._kill()
                raise
            except BaseException:  # also Ctrl-C: what comes next would be the answer to this
                self._kill()
                raise
        if error := reply.get("error"):
            raise ArtifactError(refused, where=self._path, got=error, do=LEAVE_OUT)
        if "unloadable" in reply:
            do = f"Mend its installation. {self._maker.note}".strip()
            what = f"{self._maker.name} cannot be loaded"
            raise MissingExtraError(what, where=self._path, got=reply["unloadable"], do=do)
        return reply, payload

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._kill()

    def _talk(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + self._limit_s
        with suppress(BrokenPipeError, ValueError):  # it is dead; why is told below
            for piece in packed(request):
                self._requests.write(piece)
        try:
            return received(lambda count: self._take(count, deadline))
        except ValueError as error:
            raise self._gone("talked nonsense", error) from error

    def _take(self, count: int, deadline: float) -> bytes:
        """The next `count` bytes that it sends."""
        pieces, left = [], count
        while left:
            ready, _, _ = select.select([self._replies], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self._gone("hangs", f"no answer within {self._limit_s:g} s", "Raise extract.vendor_limit_s, or ")
            piece = os.read(self._replies.fileno(), min(left, PIECE))
            if not piece:
                raise self._gone("died", self._end())
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _end(self) -> str:
        """How it ended, and what it said last."""
        code = self._process.wait()
        self._pump.join()
        how = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return f"{how}; it said: {' | '.join(self._said)}" if self._said else how

    def _gone(self, what: str, got: object, do: str = "") -> StageError:
        advice = f"{do}{LEAVE_OUT[0].lower()}{LEAVE_OUT[1:]}" if do else LEAVE_OUT
        return StageError(f"{self._maker.name} {what} on this slide", where=self._path, got=got, do=advice)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._pump.join()
        for stream in (self._requests, self._replies):
            stream.close()


def _remember(stream: IO[bytes], said: deque[str]) -> None:
    """Keep the last lines of what it prints; nothing else reads them, and a full pipe would stop it."""
    with stream:
        for line in stream:
            if text := line.decode(errors="replace").strip():
                said.append(text[:200])
