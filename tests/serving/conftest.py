"""A bundle of a small synthetic ensemble, and a server process that serves it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oceanpath.artifacts.bundle import folder as bundles
from oceanpath.artifacts.bundle.feature_statistics import FeatureStatistics
from oceanpath.artifacts.bundle.folder import BundleFacts
from oceanpath.artifacts.bundle.training_slides import TrainingSlides
from oceanpath.serving.engine import Engine

DIM = 12
CLASSES = ["NR", "R"]


class Toy(nn.Module):
    """Two members with attention."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.score = nn.Parameter(torch.randn(2, DIM, generator=generator), requires_grad=False)
        self.head = nn.Parameter(torch.randn(2, DIM, len(CLASSES), generator=generator), requires_grad=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weights = torch.softmax(torch.einsum("bnd,md->mbn", features, self.score), dim=-1)
        logits = torch.einsum("mbn,bnd,mdc->mbc", weights, features, self.head)
        return torch.softmax(logits, dim=-1).mean(0), weights.mean(0), logits


class CoordsToy(Toy):
    """The same members, with more attention to patches on the right of the slide."""

    def forward(self, features: Tensor, coords: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        assert coords is not None
        right = (coords[:, :, :1] - coords[:, :, :1].amin(dim=1, keepdim=True)) / 1000.0
        return super().forward(features + right)


def toy_facts(module: Toy, coords: str = "unused") -> BundleFacts:
    inputs = [bundles.golden_bag(5, DIM), *([bundles.golden_coords(5)] if coords == "required" else [])]
    with torch.inference_mode():
        golden = module(*(torch.from_numpy(part)[None] for part in inputs))[0][0].tolist()
    number = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 10}
    return BundleFacts.model_validate(
        {
            "name": "toy",
            "model": {"name": "toy"},
            "classes": CLASSES,
            "similarity": {"slides": 60, "shrinkage": 0.1, "quantile": 0.99, "limit": 3.0},
            "contract": {
                "encoder": "toy_encoder",
                "feature_dim": DIM,
                "patch_px": 256,
                "target_mpp": 0.5,
                "coords": coords,
            },
            "members": [{"fold": k, "n_val": 5, "temperature": 1.0, "reason": "few"} for k in range(2)],
            "calibration": {"method": "none", "served": "plain", "reported": "plain"},
            "threshold": {"value": 0.9, "positive": "R", "reason": "mean of 2"},
            "performance": {
                "meaning": "out of fold",
                "selected": False,
                "slide": {"auroc": number},
                "patient": {"auroc": number},
                "floor_auroc": {"majority": number},
            },
            "cohort": {
                "slides": 10,
                "patients": 8,
                "slides_per_class": {"NR": 5, "R": 5},
                "patches_median": 7,
                "patches_max": 9,
            },
            "parity": {
                "tolerance": 1e-5,
                "worst": 1e-7,
                "cases": [{"format": "onnx", "batch": 1, "patches": 1, "difference": 1e-7}],
                "stored": {"rows": 10, "total": 10, "differences": {"onnx": 1e-7}},
            },
            "golden": {"patches": 5, "probabilities": golden},
            "opset": 20,
        }
    )


@pytest.fixture(scope="session")
def toy() -> Toy:
    return Toy().eval()


def write_bundle(path: Path, module: Toy, coords: str = "unused") -> Path:
    from oceanpath.stages.export.onnx_file import to_onnx

    (path / bundles.ONNX).write_bytes(to_onnx(module, DIM, 20, coords=coords == "required"))
    (path / bundles.CARD).write_text("# toy\n")
    (path / bundles.TRAINING).write_bytes(TrainingSlides.of([]).render())
    statistics = FeatureStatistics(np.zeros(DIM, np.float32), np.eye(DIM, dtype=np.float32))
    (path / bundles.STATISTICS).write_bytes(statistics.render())
    bundles.seal(path, toy_facts(module, coords))
    return path


@pytest.fixture(scope="session")
def bundle_path(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("toy_bundle"), toy)


@pytest.fixture(scope="session")
def coords_bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose model reads coordinates."""
    return write_bundle(tmp_path_factory.mktemp("coords_bundle"), CoordsToy().eval(), "required")


@pytest.fixture(scope="session")
def engine(bundle_path: Path) -> Engine:
    return Engine.load(bundle_path, threads=1)


@pytest.fixture
def bag() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((37, DIM)).astype(np.float32)


@dataclass(frozen=True)
class Server:
    """A server process; `ask` returns the status and the JSON of a response."""

    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data=body, headers=fields)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def healthy(self) -> bool:
        status, health = self.ask("/health")
        return status == 200 and health["ready"] is True


PROGRAM = """
import json, sys
from pathlib import Path
from oceanpath.serving.models import BundleSource
from oceanpath.serving.server import serve
from oceanpath.serving.settings import ServeSettings
sources = [BundleSource(Path(path), name) for name, path in json.loads(sys.argv[1])]
serve(sources, ServeSettings(**json.loads(sys.argv[2])), lambda line: print(line, flush=True))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(bundle: Path, log: Path, others: dict[str, Path] | None = None, **settings: Any) -> Server:
    """A server of a bundle and of `others` by name."""
    port, sources = free_port(), [("", str(bundle)), *((name, str(path)) for name, path in (others or {}).items())]
    options = json.dumps({"port": port, "threads": 1, **settings})
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(sources), options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    server = Server(port, process)
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        try:
            if server.healthy():
                return server
        except OSError:
            time.sleep(0.05)
    stop(server)
    raise AssertionError(f"the server did not start: {log.read_text()}")


def stop(server: Server) -> int:
    if server.process.poll() is None:
        os.kill(server.process.pid, signal.SIGTERM)
    code = server.process.wait(timeout=30)
    assert server.process.stdout is not None
    server.process.stdout.close()
    return code


@pytest.fixture(scope="session")
def server(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "log"
    running = start(bundle_path, log, max_body_mib=4, max_patches=5000, body_seconds=2.0)
    yield running
    stop(running)
    assert "Traceback" not in log.read_text()


@pytest.fixture
def serving() -> Iterator[Callable[..., Server]]:
    """`start` for servers that end with the test."""
    running: list[Server] = []

    def run(bundle: Path, log: Path, **settings: Any) -> Server:
        running.append(start(bundle, log, **settings))
        return running[-1]

    yield run
    for server in running:
        stop(server)
