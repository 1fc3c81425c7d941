"""HDF5 files of strangers are opened in a process of their own, which may hang or die without harm.

Single damaged bytes make the HDF5 library loop for ever while it holds every lock of its process; no check from outside
finds all of them. So one child process reads one file at a time. When it is not done in time, or ends, it is replaced.

The child (`python -m oceanpath.serving.hdf5_reader LIMITS`) reads one JSON line a question, the path of a file, and
writes one JSON line and then the raw bytes of features and coords. Nothing is pickled in either direction.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.provenance import Provenance
from oceanpath.serving.hdf5 import decode_h5
from oceanpath.serving.problems import (
    BadFeaturesError,
    MalformedError,
    NoPatchesError,
    QuestionError,
    TooLargeError,
)
from oceanpath.serving.question import Limits, Question

SECONDS = 20.0
KINDS: dict[str, type[QuestionError]] = {
    kind.__name__: kind for kind in (BadFeaturesError, MalformedError, NoPatchesError, TooLargeError)
}


class Hdf5Reader:
    """The parent's side. Safe to call from several threads; questions wait for each other."""

    def __init__(self, limits: Limits, seconds: float = SECONDS) -> None:
        self._limits, self._seconds = limits, seconds
        self._one_at_a_time = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def read(self, body: bytes | bytearray) -> Question:
        """The question in an HDF5 file.

        Raises: MalformedError: damaged, or so damaged that its reader did not come back. TooLargeError,
            NoPatchesError, BadFeaturesError.
        """
        with NamedTemporaryFile(suffix=".h5", prefix="oceanpath-") as file, self._one_at_a_time:
            file.write(body)
            file.flush()
            child = self._running()
            late = threading.Timer(self._seconds, child.kill)
            late.start()
            try:
                return _ask(child, file.name)
            except (OSError, EOFError) as error:
                self._end(child)
                raise MalformedError("the .h5 is damaged: its reader did not come back") from error
            finally:
                late.cancel()

    def close(self) -> None:
        """End the child, if there is one."""
        with self._one_at_a_time:
            if self._child is not None:
                self._end(self._child)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self._end(self._child)
        if self._child is None:
            told = json.dumps(dataclasses.asdict(self._limits))
            command = [sys.executable, "-P", "-m", "oceanpath.serving.hdf5_reader", told]
            # A session of its own: Ctrl-C in a terminal is for the server, which ends the child by closing its pipe.
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        return self._child

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            with suppress(OSError):  # a question that was not sent yet cannot be sent any more
                if pipe is not None:
                    pipe.close()
        self._child = None


def _ask(child: subprocess.Popen[bytes], path: str) -> Question:
    if child.stdin is None or child.stdout is None:
        raise EOFError("the child has no pipes")
    child.stdin.write(json.dumps(path).encode() + b"\n")
    child.stdin.flush()
    line = child.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError("the child ended before its answer")
    head = json.loads(line)
    if "problem" in head:
        raise KINDS[head["problem"]](head["what"], expected=head["expected"], got=head["got"])
    n, dim = head["shape"]
    features = _array(child.stdout, head["dtype"], (n, dim))
    coords = _array(child.stdout, "int32", (n, 2)) if head["coords"] else None
    return Question(features, coords, Provenance(**head["about"]))


def _array(stream: IO[bytes], dtype: str, shape: tuple[int, int]) -> NDArray[Any]:
    size = shape[0] * shape[1] * np.dtype(dtype).itemsize
    raw = stream.read(size)
    if len(raw) != size:
        raise EOFError("the child ended within its answer")
    return np.frombuffer(raw, dtype).reshape(shape)


def serve_paths(questions: IO[bytes], answers: IO[bytes], limits: Limits) -> None:
    """The child's side: answer until `questions` ends."""
    for line in questions:
        found: Question | None = None
        try:
            found = decode_h5(Path(json.loads(line)), limits)
            head: dict[str, Any] = {"shape": found.features.shape, "dtype": found.features.dtype.name}
            head |= {"coords": found.coords is not None, "about": dataclasses.asdict(found.about)}
        except QuestionError as error:
            head = {"problem": type(error).__name__, "what": error.what, "expected": error.expected, "got": error.got}
        answers.write(json.dumps(head).encode() + b"\n")
        if found is not None:
            answers.write(np.ascontiguousarray(found.features).data)
            answers.write(b"" if found.coords is None else np.ascontiguousarray(found.coords, np.int32).data)
        answers.flush()


if __name__ == "__main__":
    serve_paths(sys.stdin.buffer, sys.stdout.buffer, Limits(**json.loads(sys.argv[1])))
