"""One driver process: started, asked, listened to, and stopped with everything it started."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, cast

from oceanpath import child_process
from oceanpath.child_process import Child
from oceanpath.errors import StageError
from oceanpath.slides.trident import driver
from oceanpath.slides.trident.interpreter import refusal

OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables that would lead the other interpreter to our packages."""
GRACE_S = 5.0
REMEMBERED = 12
Note = Callable[[str], None]


class Session:
    """A driver at work under another interpreter; a fault of the process itself ends it for good."""

    def __init__(self, python: Path, silence_s: float, note: Note) -> None:
        self.python, self.silence_s = python, silence_s
        self._said: deque[str] = deque(maxlen=REMEMBERED)
        self._heard: SimpleQueue[tuple[str, str]] = SimpleQueue()
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        environment.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")  # not every disk has locks; it writes for us alone
        self._process = Child(
            [str(python), "-u", driver.__file__, child_process.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            start_new_session=True,
        )
        self._requests = cast("IO[str]", self._process.stdin)
        streams = {"reply": self._process.stdout, "said": self._process.stderr}
        for name, stream in streams.items():
            threading.Thread(target=_pump, args=(name, stream, self._heard), daemon=True).start()
        atexit.register(self.close)
        hello = self._guarded(lambda: self._listen("hello", note))
        if hello["found"] != "trident":
            self.close()
            raise refusal(str(hello["found"]), python)
        self.versions: Mapping[str, str] = hello["versions"]

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, request: Mapping[str, Any], note: Note) -> dict[str, Any]:
        """Send one request and wait for its reply; lines of the driver's stderr go to `note`, bars are left out.

        Raises: StageError: the driver died, said nothing for `silence_s`, or replied nonsense. It is gone then.
        """

        def talk() -> dict[str, Any]:
            with suppress(BrokenPipeError):  # what it said before it died is told below
                self._requests.write(json.dumps(request) + "\n")
                self._requests.flush()
            return self._listen("slide", note)

        return self._guarded(talk)

    def close(self) -> None:
        """End the driver: asked first, then with force, with all processes it started."""
        atexit.unregister(self.close)
        with suppress(OSError, subprocess.TimeoutExpired):
            self._requests.close()
            self._process.wait(GRACE_S)
        self._kill()

    def _guarded(self, talk: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return talk()
        except BaseException:  # also Ctrl-C: nobody may go on computing for a run that ended
            self._kill()
            raise

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with suppress(OSError):
            self._requests.close()

    def _listen(self, event: str, note: Note) -> dict[str, Any]:
        """The next reply of a kind; any sign of life sets the clock back."""
        while True:
            kind, text = self._next()
            if kind == "said":
                self._remember(text, note)
                continue
            reply = self._parsed(text)
            if reply.get("event") == event:
                return reply

    def _next(self) -> tuple[str, str]:
        """What is heard next. Raises: StageError: the driver died, or said nothing for `silence_s`."""
        deadline = time.monotonic() + self.silence_s
        while (left := deadline - time.monotonic()) > 0:
            dead = not self.alive
            with suppress(Empty):
                return self._heard.get(timeout=min(left, 0.2 if dead else 1.0))
            if dead:
                got = f"exit {self._process.returncode}; {self._last()}"
                raise StageError("TRIDENT died", where=self.python, got=got)
        do = "Raise extract.trident_silence_s, or look at what TRIDENT said last."
        expected = f"a sign of life within {self.silence_s:g} s"
        raise StageError("TRIDENT hangs", where=self.python, expected=expected, got=self._last(), do=do)

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            reply: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise StageError("the driver of TRIDENT replied nonsense", where=self.python, got=text[:200]) from error
        return reply

    def _remember(self, text: str, note: Note) -> None:
        line = text.strip()
        if line and "it/s]" not in line and "%|" not in line:  # a progress bar is many lines that say nothing
            self._said.append(line)
            note(f"trident: {line}")

    def _last(self) -> str:
        return "it said: " + " | ".join(self._said) if self._said else "it said nothing"


def _pump(name: str, stream: IO[str], heard: SimpleQueue[tuple[str, str]]) -> None:
    with stream:
        for line in stream:
            heard.put((name, line))
