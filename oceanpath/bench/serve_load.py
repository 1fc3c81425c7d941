"""Memory of a server: many clients at once, one large slide, and many requests one after the other."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from oceanpath.bench.server_process import as_npy, ask_status, post, random_bag, resident_mib, running
from oceanpath.serving.engine import Engine

SAMPLED_SECONDS = 0.01
"""Time between two measurements of memory."""
WARM_UP = 5
"""Requests before the first measurement of memory."""
SMALL = 100
"""Patches of these requests, and of many requests in a row."""


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


def bench_load(bundle: Path, patches: int, clients: int, seconds: float, scratch: Path) -> Load:
    """Clients that send raw bodies all the time."""
    load, body = Load(), as_npy(random_bag(patches, Engine.load(bundle, 1).facts.contract.feature_dim))
    with running(bundle, scratch) as (port, process):
        post(port, "/predict", body)
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=_ask, args=(port, body, end, load)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            load.resident_mib.append(resident_mib(process))
            time.sleep(seconds / 10)
        for thread in threads:
            thread.join()
    return load


@dataclass(frozen=True)
class Memory:
    """Memory of a server before, during and after requests, in MiB."""

    before: float
    highest: float
    after: float

    def line(self, what: str) -> str:
        """The figures as text."""
        return f"{what}: {self.before:.0f} MiB before, {self.highest - self.before:+.0f} at most, " + (
            f"{self.after - self.before:+.0f} afterwards"
        )


def bench_large(bundle: Path, patches: int, scratch: Path) -> Memory:
    """One raw body of many patches of float16, after small ones."""
    dim = Engine.load(bundle, 1).facts.contract.feature_dim
    with running(bundle, scratch) as (port, process):
        _post_small(port, dim, WARM_UP)
        body, before = as_npy(random_bag(patches, dim)), resident_mib(process)
        with _sampled(process) as sizes:
            post(port, "/predict", body)
        return Memory(before, max(sizes), resident_mib(process))


def bench_repeated(bundle: Path, requests: int, scratch: Path) -> Memory:
    """Raw bodies one after the other on one connection; the first measurement is after a tenth of them."""
    body = as_npy(random_bag(SMALL, Engine.load(bundle, 1).facts.contract.feature_dim))
    with running(bundle, scratch) as (port, process):
        connection, sizes = http.client.HTTPConnection("127.0.0.1", port, timeout=300), []
        for number in range(requests):
            connection.request("POST", "/predict", body)
            connection.getresponse().read()
            if number >= requests // 10 and number % max(1, requests // 100) == 0:
                sizes.append(resident_mib(process))
        connection.close()
        return Memory(sizes[0], max(sizes), sizes[-1])


def _post_small(port: int, dim: int, times: int) -> None:
    for _ in range(times):
        post(port, "/predict", as_npy(random_bag(SMALL, dim)))


@contextmanager
def _sampled(process: psutil.Process) -> Iterator[list[float]]:
    """The memory of a process at short intervals, until the end of the block."""
    sizes, end = [resident_mib(process)], threading.Event()

    def sample() -> None:
        while not end.wait(SAMPLED_SECONDS):
            sizes.append(resident_mib(process))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield sizes
    finally:
        end.set()
        thread.join()


def _ask(port: int, body: bytes, end: float, load: Load) -> None:
    while time.monotonic() < end:
        began = time.monotonic()
        status = ask_status(port, "/predict", body)
        load.statuses[status] += 1
        if status == 200:
            load.seconds.append(time.monotonic() - began)
        else:
            time.sleep(0.2)
