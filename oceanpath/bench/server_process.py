"""A server in a process of its own, on loopback, for measurements."""

from __future__ import annotations

import http.client
import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from oceanpath.errors import StageError

PROGRAM = "from oceanpath.cli import main; main()"
START_SECONDS = 120.0
SLIDE = "measured"


@contextmanager
def running(bundle: Path, features: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The port and the process of a server, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    np.save(features / f"{SLIDE}-empty.npy", np.zeros((1, 1), np.float16))  # a folder without features is refused
    command = [sys.executable, "-c", PROGRAM, "serve", str(bundle), "--port", str(port), "--features", str(features)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_SECONDS
        while not _is_healthy(port):
            if process.poll() is not None or time.monotonic() > end:
                raise StageError("the server did not start", where=bundle)
            time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def post(port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> None:
    """Send one request. Raises: StageError: the response is no prediction."""
    if (status := ask_status(port, path, body, headers)) != 200:
        raise StageError("the server did not answer with a prediction", where=path, got=status)


def ask_status(port: int, path: str, body: bytes | None, headers: dict[str, str] | None = None) -> int:
    """The status of one request, after its response was read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def _is_healthy(port: int) -> bool:
    try:
        return ask_status(port, "/health", None) == 200
    except OSError:
        return False


def model_name(port: int) -> str:
    """The name of the served model."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/models")
    name: str = json.loads(connection.getresponse().read())[0]["name"]
    connection.close()
    return name


def resident_mib(process: psutil.Process) -> float:
    """Memory of a process and of all its children, in MiB."""
    family = [process, *process.children(recursive=True)]
    return float(sum(each.memory_info().rss for each in family)) / 2**20


def random_bag(patches: int, dim: int) -> NDArray[np.float16]:
    """A bag of standard normal features, the same every time."""
    return np.random.default_rng(0).standard_normal((patches, dim)).astype(np.float16)


def as_npy(bag: NDArray[np.float16]) -> bytes:
    """The bytes of a .npy file."""
    stream = io.BytesIO()
    np.save(stream, bag)
    return stream.getvalue()
