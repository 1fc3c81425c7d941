"""Times of requests as multiples of the time of the model, and a load of many clients, against a server on loopback."""

from __future__ import annotations

import http.client
import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psutil
from numpy.typing import NDArray

from oceanpath.bench.clock import Work, in_turn, spend
from oceanpath.errors import StageError
from oceanpath.serving.engine import Engine

PROGRAM = "from oceanpath.cli import main; main()"
START_SECONDS = 120.0
SLIDE = "measured"


@dataclass(frozen=True)
class ServeRow:
    """The time of one kind of request."""

    case: str
    way: str
    milliseconds: float
    """The median of all rounds."""
    ratio: float
    """Divided by the time of the model in the same rounds."""


@dataclass
class Load:
    """What the requests of many clients got."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """Of requests that were answered with a prediction."""
    resident_mib: list[float] = field(default_factory=list)
    """Memory of the server, measured ten times."""

    def lines(self) -> list[str]:
        """The figures as text."""
        waits = np.percentile(self.seconds or [float("nan")], [50, 99])
        half = self.resident_mib[len(self.resident_mib) // 2 :]
        return [
            f"statuses {dict(sorted(self.statuses.items()))}",
            f"answered requests: median {waits[0]:.3f} s, 99th percentile {waits[1]:.3f} s",
            f"memory of the server: {self.resident_mib[0]:.0f} to {self.resident_mib[-1]:.0f} MiB, "
            f"change in the second half {100 * (half[-1] / half[0] - 1):+.1f} %",
        ]


def bench_requests(bundle: Path, patches: int, rounds: int, scratch: Path) -> Iterator[ServeRow]:
    """Raw bodies, slides by id and binary tensors of float16, alternating with the model in this process."""
    engine = Engine.load(bundle)
    bag = _bag(patches, engine.facts.contract.feature_dim)
    np.save(scratch / f"{SLIDE}.npy", bag)
    tensor = {"name": "features", "datatype": "FP16", "shape": list(bag.shape)}
    header = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": bag.nbytes}}]}).encode()
    length = {"Inference-Header-Content-Length": str(len(header))}
    with running(bundle, scratch) as (port, _):
        infer = f"/v2/models/{quote(_name(port))}/infer"
        works: dict[str, Work] = {
            "model": partial(engine.predict, bag),
            "raw body": partial(_post, port, "/predict", _npy(bag)),
            "slide id": partial(_post, port, "/predict", json.dumps({"slide_id": SLIDE}).encode()),
            "Open Inference Protocol": partial(_post, port, infer, header + bag.tobytes(), length),
        }
        in_turn(works, 1, spend)
        spent = in_turn(works, rounds, spend)
    medians = {way: float(np.median([each.wall for each in times])) for way, times in spent.items()}
    for way, seconds in medians.items():
        yield ServeRow(f"{patches} patches", way, 1000 * seconds, seconds / medians["model"])


def bench_load(bundle: Path, patches: int, clients: int, seconds: float, scratch: Path) -> Load:
    """Clients that send raw bodies all the time."""
    load, body = Load(), _npy(_bag(patches, Engine.load(bundle, 1).facts.contract.feature_dim))
    with running(bundle, scratch) as (port, process):
        _post(port, "/predict", body)
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=_ask, args=(port, body, end, load)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            load.resident_mib.append(_resident(process))
            time.sleep(seconds / 10)
        for thread in threads:
            thread.join()
    return load


def as_table(rows: Sequence[ServeRow]) -> str:
    """The rows as text."""
    return "\n".join(f"{row.case}  {row.way:<24} {row.milliseconds:9.1f} ms  {row.ratio:.3f}" for row in rows)


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


def _ask(port: int, body: bytes, end: float, load: Load) -> None:
    while time.monotonic() < end:
        began = time.monotonic()
        status = _status(port, "/predict", body)
        load.statuses[status] += 1
        if status == 200:
            load.seconds.append(time.monotonic() - began)
        else:
            time.sleep(0.2)


def _post(port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> None:
    if (status := _status(port, path, body, headers)) != 200:
        raise StageError("the server did not answer with a prediction", where=path, got=status)


def _status(port: int, path: str, body: bytes | None, headers: dict[str, str] | None = None) -> int:
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
        return _status(port, "/health", None) == 200
    except OSError:
        return False


def _name(port: int) -> str:
    """The name of the served model."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/models")
    name: str = json.loads(connection.getresponse().read())[0]["name"]
    connection.close()
    return name


def _resident(process: psutil.Process) -> float:
    """Memory of a process and of all its children, in MiB."""
    family = [process, *process.children(recursive=True)]
    return float(sum(each.memory_info().rss for each in family)) / 2**20


def _bag(patches: int, dim: int) -> NDArray[np.float16]:
    return np.random.default_rng(0).standard_normal((patches, dim)).astype(np.float16)


def _npy(bag: NDArray[np.float16]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, bag)
    return stream.getvalue()
