"""A server under load: it reloads without mixing two models, and loses no accepted request when it is stopped."""

from __future__ import annotations

import http.client
import io
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .bundle_copies import copy_with_other_weights
from .conftest import DIM, Server

CLIENTS = 6


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((2000, DIM), np.float32))
    return buffer.getvalue()


class Load:
    """Clients that send requests until the server ends, and what each of their requests got."""

    def __init__(self, server: Server) -> None:
        self.answers: list[tuple[str, int, dict[str, Any]]] = []
        self.failed: list[tuple[str, str]] = []
        self._port, self._body, self._is_over = server.port, npy(), threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(k,)) for k in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self, client: int) -> None:
        count = 0
        while not self._is_over.is_set():
            count += 1
            request = f"{client}-{count}"
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                connection.request("POST", "/predict", self._body, {"X-Request-ID": request})
                reply = connection.getresponse()
                self.answers.append((request, reply.status, json.loads(reply.read())))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failed.append((request, repr(error)))
                time.sleep(0.02)
            finally:
                connection.close()


def wait_for(load: Load, digest: str) -> None:
    ends = time.monotonic() + 20
    while not any(answer["model"]["digest"] == digest for _, status, answer in load.answers[-10:] if status == 200):
        assert time.monotonic() < ends, load.answers[-1:]
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
def test_reloads_and_the_end_lose_and_mix_no_answer(bundle_path: Path, serving, tmp_path: Path, workers: int) -> None:
    bundle, audit = tmp_path / "bundle", tmp_path / "audit.jsonl"
    digests = [copy_with_other_weights(bundle_path, bundle, 1.0)]
    server = serving(bundle, tmp_path / "log", audit_log=str(audit), max_waiting=32, workers=workers)
    load = Load(server)
    wait_for(load, digests[0])
    for factor in (1.5, 2.0):
        digests.append(copy_with_other_weights(bundle_path, bundle, factor))
        server.process.send_signal(signal.SIGHUP)
        wait_for(load, digests[-1])
    assert not load.failed, "a reload interrupts no connection"
    server.process.terminate()
    assert server.process.wait(timeout=30) == 0
    load.end()

    by_model = {(a["model"]["digest"], a["threshold"], a["probabilities"]["R"]) for _, _, a in load.answers}
    assert sorted(digest for digest, _, _ in by_model) == sorted(digests), "one threshold and prediction per model"
    assert {status for _, status, _ in load.answers} == {200}
    recorded = {json.loads(line)["request"] for line in audit.read_text().splitlines()}
    assert recorded == {request for request, _, _ in load.answers}, "every accepted request has its whole answer"
    print(f"{len(recorded)} answers, {len(load.failed)} connections refused after the end")
    log = (tmp_path / "log").read_text()
    assert 2 <= log.count("reloaded: toy: version") <= 2 * workers and "Traceback" not in log
