"""A child process that answers one request after the other, each within a time limit.

It is for libraries that may hang, crash or damage the memory of their process. Parent and child exchange messages over
pipes: two little-endian unsigned 32-bit numbers, the sizes of a JSON header and of a payload, followed by both. Nothing
is unpickled, so a damaged child can send wrong data but no code.

The child ends when its stdin ends, when its parent ends, or when a request takes longer than its limit, also while the
library does not let another thread run. A child of another interpreter implements its side of the protocol
itself (`oceanpath.slides.trident.driver`).
"""

from __future__ import annotations

import faulthandler
import fcntl
import json
import os
import re
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from oceanpath.child_process import Child, end_with_parent

SIZES = struct.Struct("<II")
MAX_HEADER_BYTES = 1 << 26
PIPE_BYTES = 1 << 20
QUOTED_LINES = 4
"""Number of lines of the child's stderr that an error quotes."""
MAX_LINE_LENGTH = 200
STDERR_BYTES = 1 << 16
PROGRESS_BAR = re.compile(r"\d+%\||it/s\]")
GRACE_S = 2.0
"""Seconds after the parent's deadline at which the child ends by itself."""
Reply = tuple[dict[str, Any], memoryview]
Listener = Callable[[str], None]
Answer = Callable[[dict[str, Any]], tuple[Mapping[str, Any], bytes | memoryview]]


class WorkerError(Exception):
    """The child sent no usable reply and was killed. The text contains its signal or exit code and its last output."""


class WorkerDiedError(WorkerError):
    """The child ended before it replied."""


class WorkerHangsError(WorkerError):
    """The child did not reply in time."""


class WorkerGarbledError(WorkerError):
    """The child sent something that is not a reply."""


class Worker:
    """The parent's side of one child. Threads may share it; they wait for each other."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start ``command LIFELINE``; a module of this interpreter calls `serve`, see `module_command`."""
        self._lock = threading.Lock()
        self._last_lines: deque[str] = deque(maxlen=QUOTED_LINES)
        self._partial_line = b""
        self._fault: WorkerError | None = None
        self._process = Child(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=python_environment() if environment is None else environment,
            start_new_session=True,  # Ctrl-C in a terminal interrupts only the parent
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._replies = cast("IO[bytes]", self._process.stdout)
        self._errors = cast("IO[bytes]", self._process.stderr)
        _widen(self._replies)
        os.set_blocking(self._errors.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._replies, selectors.EVENT_READ)
        self._selector.register(self._errors, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it accepts requests: it runs, and has not failed."""
        return self._fault is None and self._process.poll() is None

    def ask(
        self,
        request: Mapping[str, Any],
        limit_s: float,
        into: memoryview | None = None,
        most: int = 0,
        listener: Listener | None = None,
    ) -> Reply:
        """Header and payload of the reply to one request.

        Args:
            request: JSON values, less than the 64 KiB that a pipe holds.
            limit_s: Seconds until the reply must be complete; with `listener`, seconds without any output.
            into: Memory for the payload; the filled part of it is returned.
            most: Maximum number of bytes of the payload, without `into`.
            listener: Called with each line that the child prints to stderr in the meantime, except progress bars.

        Raises: WorkerError: the child ended, did not reply in time, or sent something else. It is killed, and every
            later request raises the same error.
        """
        with self._lock:
            if self._fault is not None:
                raise self._fault
            try:
                return self._exchange({"limit_s": limit_s, "request": request}, _Clock(limit_s, listener), into, most)
            except WorkerError as fault:
                self._fault = fault
                self._kill()
                raise
            except BaseException:  # also after Ctrl-C: the next reply would belong to this request
                self._kill()
                raise

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._kill()

    def _exchange(self, message: Mapping[str, Any], clock: _Clock, into: memoryview | None, most: int) -> Reply:
        with suppress(BrokenPipeError, ValueError):  # the child has ended; reading its output reports how
            for piece in packed(message):
                self._requests.write(piece)
        header_bytes, payload_bytes = SIZES.unpack(self._take(memoryview(bytearray(SIZES.size)), clock))
        limit = most if into is None else len(into)
        if header_bytes > MAX_HEADER_BYTES or payload_bytes > limit:
            raise WorkerGarbledError(f"a payload of {payload_bytes} bytes; at most {limit} are allowed")
        header = self._take(memoryview(bytearray(header_bytes)), clock)
        try:
            reply = json.loads(bytes(header))
        except ValueError as error:
            raise WorkerGarbledError(str(error)) from error
        if not isinstance(reply, dict):
            raise WorkerGarbledError(f"a header of {reply!r}")
        payload = memoryview(bytearray(payload_bytes)) if into is None else into[:payload_bytes]
        return reply, self._take(payload, clock)

    def _take(self, view: memoryview, clock: _Clock) -> memoryview:
        """Fill `view` with the next bytes from the child."""
        filled, handle = 0, self._replies.fileno()
        while filled < len(view):
            ready = self._selector.select(clock.left())
            if not ready:
                raise WorkerHangsError(f"no reply in time{self._last_output()}")
            for key, _ in ready:
                if key.fileobj is self._errors:
                    if not self._read_lines(clock):
                        self._selector.unregister(self._errors)
                    continue
                count = os.readv(handle, [view[filled:]])
                if not count:
                    raise WorkerDiedError(self._ending())
                filled += count
        return view

    def _read_lines(self, clock: _Clock) -> bool:
        """Read what the child has printed to stderr; False at its end."""
        printed = os.read(self._errors.fileno(), STDERR_BYTES)
        clock.restart()
        *lines, partial = re.split(rb"[\r\n]+", self._partial_line + (printed or b"\n"))
        self._partial_line = partial[-MAX_LINE_LENGTH:]
        for line in lines:
            text = line.decode(errors="replace").strip()[:MAX_LINE_LENGTH]
            if text and not PROGRESS_BAR.search(text):
                self._last_lines.append(text)
                clock.report(text)
        return bool(printed)

    def _ending(self) -> str:
        """How the child ended, and its last output."""
        code = self._process.wait()
        with suppress(BlockingIOError):  # a process that the child started may keep stderr open
            while self._read_lines(_Clock(0.0)):
                pass
        end = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return f"{end}{self._last_output()}"

    def _last_output(self) -> str:
        return f"; it printed: {' | '.join(self._last_lines)}" if self._last_lines else ""

    def _kill(self) -> None:
        self._fault = self._fault or WorkerDiedError("it was killed")
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        for stream in (self._requests, self._replies, self._errors):
            stream.close()


class _Clock:
    """The time that is left for one reply; with a listener it restarts at each output of the child."""

    def __init__(self, limit_s: float, listener: Listener | None = None) -> None:
        self._limit_s, self._listener = limit_s, listener
        self._deadline = time.monotonic() + limit_s

    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._deadline - time.monotonic())

    def restart(self) -> None:
        """The child has printed something."""
        if self._listener is not None:
            self._deadline = time.monotonic() + self._limit_s

    def report(self, line: str) -> None:
        """Give one line to the listener."""
        if self._listener is not None:
            self._listener(line)


def _widen(pipe: IO[bytes]) -> None:
    """Enlarge the buffer of a pipe to `PIPE_BYTES`, 16 times the default, if the system supports it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # the user may have too many pipes already
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in this interpreter."""
    return [sys.executable, "-P", "-u", "-m", module, *arguments]


def python_environment() -> dict[str, str]:
    """Environment of a child that imports what this process can import."""
    folders = [folder or str(Path.cwd()) for folder in sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}


def packed(header: Mapping[str, Any], payload: bytes | memoryview = b"") -> list[bytes | memoryview]:
    """The parts of one message, in the order in which they are written."""
    text = json.dumps(header).encode()
    return [SIZES.pack(len(text), memoryview(payload).nbytes) + text, payload]


def serve(answer: Answer, lifeline: int) -> None:
    """The child's side: answer requests until stdin ends.

    Args:
        answer: Returns header and payload of the reply to a request. An exception ends the process.
        lifeline: The last argument of the child.
    """
    end_with_parent(lifeline, group=True)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that output of a library is not mistaken for a reply
    requests = sys.stdin.buffer
    with Path(os.devnull).open("w") as devnull:
        while (message := _next_message(requests)) is not None:
            with _time_limit(message["limit_s"] + GRACE_S, devnull):
                header, payload = answer(message["request"])
            for piece in packed(header, payload):
                replies.write(piece)
            replies.flush()


def _next_message(requests: BinaryIO) -> dict[str, Any] | None:
    sizes = requests.read(SIZES.size)
    if len(sizes) < SIZES.size:
        return None
    text = requests.read(SIZES.unpack(sizes)[0])
    return cast("dict[str, Any]", json.loads(text))


@contextmanager
def _time_limit(limit_s: float, devnull: IO[str]) -> Iterator[None]:
    """End this process when a request takes too long, also while the library blocks the interpreter."""
    faulthandler.dump_traceback_later(limit_s, exit=True, file=devnull)
    yield
    faulthandler.cancel_dump_traceback_later()
