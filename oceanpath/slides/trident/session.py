"""One driver process under TRIDENT's interpreter, which extracts one slide per request."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from oceanpath import child_process
from oceanpath.errors import StageError
from oceanpath.slides.trident import driver
from oceanpath.slides.trident.interpreter import missing_trident_error
from oceanpath.subprocess_worker import Worker, WorkerDiedError, WorkerError, WorkerHangsError

PYTHON_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables by which the other interpreter would import packages of this one."""
Note = Callable[[str], None]


class Session:
    """A driver under another interpreter; after a failure of its process it cannot be used again."""

    def __init__(self, python: Path, silence_s: float, note: Note) -> None:
        """Start the driver.

        Args:
            python: The interpreter.
            silence_s: Seconds without output after which the driver is ended.
            note: Called with each line that TRIDENT prints.

        Raises: MissingExtraError: the interpreter has no TRIDENT. StageError: as `ask`.
        """
        self.python, self.silence_s = python, silence_s
        environment = {name: value for name, value in os.environ.items() if name not in PYTHON_VARIABLES}
        environment.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")  # not every file system has locks; no other writer
        self._worker = Worker([str(python), "-u", driver.__file__, child_process.__file__], environment)
        atexit.register(self.close)
        reply = self.ask({"op": "hello"}, note)
        if reply["kind"] != "trident":
            self.close()
            raise missing_trident_error(str(reply["kind"]), python)
        self.versions: Mapping[str, str] = reply["versions"]

    @property
    def alive(self) -> bool:
        """Whether it accepts requests."""
        return self._worker.usable

    def ask(self, request: Mapping[str, Any], note: Note) -> dict[str, Any]:
        """The reply to one request (see `driver`); lines that TRIDENT prints are passed to `note`.

        Raises: StageError: the driver ended unexpectedly, printed nothing for `silence_s` or sent an unreadable reply.
        """

        def listener(line: str) -> None:
            if not line.startswith(driver.STEP):
                note(f"trident: {line}")

        try:
            return self._worker.ask(request, self.silence_s, listener=listener)[0]
        except WorkerHangsError as error:
            do = "Increase extract.trident_silence_s, or check the last output of TRIDENT."
            expected = f"output within {self.silence_s:g} s"
            raise StageError("TRIDENT timed out", where=self.python, expected=expected, got=error, do=do) from error
        except WorkerError as error:
            what = (
                "TRIDENT ended unexpectedly"
                if isinstance(error, WorkerDiedError)
                else "TRIDENT's driver sent an unreadable reply"
            )
            raise StageError(what, where=self.python, got=error) from error

    def close(self) -> None:
        """End the driver and all processes that it started."""
        atexit.unregister(self.close)
        self._worker.close()
