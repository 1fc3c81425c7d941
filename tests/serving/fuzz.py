"""Requests that should not be valid, against the application in this process: each has an answer or a reason.

usage: python -m tests.serving.fuzz [--count N] [--examples N]

`--count` mutated bodies (default 100,000) are sent to every address that has a body; `--examples` requests per
operation (default 200) are generated from the OpenAPI description by schemathesis, valid and invalid ones.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from litestar.testing import TestClient

from oceanpath.serving.app import create_app
from oceanpath.serving.engine import Engine
from oceanpath.serving.models import Model, Models
from oceanpath.serving.settings import ServeSettings

from .conftest import DIM, Toy, write_bundle
from .test_odd_bodies import FORMATS, GOOD, KINDS, ODD, QUERIES, damaged, npy_file

SLOWEST = 20.0
"""Seconds of one request; the HDF5 library has a time limit of its own below this."""
GROWTH = 1.05
"""Permitted growth of the memory, from a tenth of the requests to the end."""
TENSOR: dict[str, Any] = {"name": "features", "datatype": "FP32", "shape": [3, DIM], "data": GOOD.ravel().tolist()}
Request = tuple[str, bytes, dict[bytes, bytes]]


@dataclass
class Outcome:
    """What the requests got."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0
    resident_mib: list[float] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """The memory at the end divided by that after a tenth of the requests."""
        return self.resident_mib[-1] / self.resident_mib[len(self.resident_mib) // 10]


def application(bundle: Path, features: Path | None = None) -> Any:
    """An application with two models, small limits and a folder of slides."""
    engine = Engine.load(bundle, threads=1)
    models = Models([Model("toy", engine, "# toy\n"), Model("other", engine)])
    settings = ServeSettings(allow_remote=True, max_body_mib=4, max_patches=5000, max_batch=8, features=features)
    return create_app(models, settings)


def mutated_requests(count: int) -> Iterator[Request]:
    """Addresses, bodies and headers; the same ones in every run."""
    kinds = list(KINDS)
    for seed in range(count):
        draw = random.Random(f"request {seed}")
        choice = draw.random()
        if choice < 0.2:
            yield infer_request(draw)
        elif choice < 0.3:
            yield batch_request(draw)
        else:
            body, media_type = KINDS[draw.choice(kinds)](draw)
            path = draw.choice(("/predict", "/predict", "/models/toy/predict", "/predict/batch"))
            yield path + draw.choice(QUERIES), body, {b"content-type": media_type.encode()}


def infer_request(draw: random.Random) -> Request:
    """A request of the Open Inference Protocol with odd fields, sizes or bytes."""
    names = ("FP32", "FP16", "FP64", "INT32", "BYTES", "")
    tensor = dict(TENSOR)
    for name in tensor:
        if draw.random() < 0.2:
            tensor[name] = draw.choice((*ODD, [3, DIM], [1, 3, DIM], [[1.5]], draw.choice(names)))
    binary = b""
    if draw.random() < 0.5:
        binary = GOOD.astype(draw.choice(("f2", "f4", "f8"))).tobytes()[: draw.choice((None, None, 7))]
        tensor["parameters"] = {"binary_data_size": draw.choice((len(binary), len(binary), draw.choice(ODD)))}
        tensor["datatype"] = draw.choice(names)
    fields: dict[str, Any] = {"inputs": draw.choice(([tensor], [tensor], [tensor, tensor], draw.choice(ODD)))}
    for name, valid in (("id", "7"), ("parameters", {"slide_id": "S"}), ("outputs", [{"name": "attention"}])):
        if draw.random() < 0.2:
            fields[name] = draw.choice((valid, draw.choice(ODD), [draw.choice(ODD)], {"encoder": draw.choice(ODD)}))
    text = json.dumps(fields).encode()
    text = text if draw.random() < 0.8 else damaged(text, draw)
    length = draw.choice((len(text), len(text), len(text), draw.choice((-1, 0, 10**9, "x"))))
    headers = {b"inference-header-content-length": str(length).encode()} if binary or draw.random() < 0.1 else {}
    return "/v2/models/toy/infer", text + binary, headers


def batch_request(draw: random.Random) -> Request:
    """A list of slide ids, or a form with several files."""
    if draw.random() < 0.5:
        ids = draw.choice((["a"], ["a", "../a"], ["a"] * 9, [draw.choice(ODD)], draw.choice(ODD)))
        return "/predict/batch", json.dumps({draw.choice(("slide_ids", "slide_ids", "ids")): ids}).encode(), {}
    parts = b""
    for k in range(draw.randrange(10)):
        content = npy_file() if draw.random() < 0.5 else damaged(npy_file(), draw)
        name = draw.choice((f"{k}.npy", "../../etc/passwd", "", "\\x", "a" * 500)).encode()
        parts += b'--edge\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n%s\r\n' % (name, content)
    return "/predict/batch", parts + draw.choice((b"--edge--\r\n", b"")), {b"content-type": FORMATS[4].encode()}


def send_all(client: TestClient[Any], count: int) -> Outcome:
    """Send mutated requests; every response must be 200, or 4xx with a reason."""
    outcome, process = Outcome(), psutil.Process()
    every = max(1, count // 50)
    for number, (path, body, headers) in enumerate(mutated_requests(count)):
        began = time.perf_counter()
        answer = client.post(path, content=body, headers=headers)
        outcome.slowest = max(outcome.slowest, time.perf_counter() - began)
        outcome.statuses[answer.status_code] += 1
        if answer.status_code != 200 and not (400 <= answer.status_code < 500 and _reason(answer.json())):
            outcome.failures.append(f"request {number}, {path}: {answer.status_code} {answer.text[:200]}")
        if number % every == 0:
            outcome.resident_mib.append(process.memory_info().rss / 2**20)
    return outcome


def _reason(answer: Any) -> bool:
    error = answer["error"]
    return bool(error if isinstance(error, str) else error["message"])


def generated(app: Any, examples: int) -> tuple[int, list[str]]:
    """Number of requests that schemathesis generates from the OpenAPI description, and the failures."""
    import hypothesis
    import schemathesis
    from schemathesis.core.failures import Failure, FailureGroup
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi import checks

    failures, calls = list[str](), 0
    quiet = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    held = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
    for result in schemathesis.openapi.from_asgi("/schema", app).get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @quiet
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def check(case: Any) -> None:
                nonlocal calls
                calls += 1
                case.call_and_validate(checks=[schemathesis.checks.not_a_server_error, *held])

            try:
                check()
            except hypothesis.errors.Unsatisfiable:
                continue  # an operation without parameters has no invalid requests
            except (Failure, FailureGroup) as error:
                failures.append(f"{mode.value} {operation.label}: {error!r}"[:1500])
    return calls, failures


def main() -> None:
    """Run both parts, print the figures, and fail on any server error, missing reason or growth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--examples", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle, features = Path(folder) / "bundle", Path(folder) / "features"
        bundle.mkdir()
        features.mkdir()
        write_bundle(bundle, Toy().eval())
        np.save(features / "a.npy", GOOD)
        app = application(bundle, features)
        failures = list[str]()
        if options.examples:
            calls, failures = generated(app, options.examples)
            print(f"schemathesis: {calls} requests, {len(failures)} failures")
        with TestClient(app, base_url="http://127.0.0.1") as client:
            outcome = send_all(client, options.count)
    failures += outcome.failures
    print(f"{options.count} mutated bodies: {dict(sorted(outcome.statuses.items()))}")
    print(f"slowest {outcome.slowest:.2f} s, memory {outcome.resident_mib[-1]:.0f} MiB, growth {outcome.growth:.3f}")
    for failure in failures:
        print(failure)
    sys.exit(1 if failures or outcome.slowest > SLOWEST or outcome.growth > GROWTH else 0)


if __name__ == "__main__":
    main()
