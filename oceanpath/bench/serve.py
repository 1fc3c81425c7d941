"""Times of requests as multiples of the time of the model in this process, against a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.folder import ONNX, TORCHSCRIPT
from oceanpath.bench.clock import Work, in_turn, spend
from oceanpath.bench.server_process import SLIDE, as_npy, model_name, post, random_bag, running
from oceanpath.cores import available_cores
from oceanpath.serving.engine import Engine

JSON_PATCHES = 2000
"""Patches of the bodies that are compared with JSON, whose size is limited to 64 MiB."""


@dataclass(frozen=True)
class ServeRow:
    """The time of one kind of request."""

    case: str
    way: str
    milliseconds: float
    """The median of all rounds."""
    ratio: float
    """Divided by the time of the model in the same rounds."""


def bench_requests(bundle: Path, patches: int, rounds: int, scratch: Path) -> Iterator[ServeRow]:
    """Raw bodies, slides by id, binary tensors of float16, and JSON, alternating with the model in this process.

    The model of the ratios is the engine of `oceanpath predict`; its file alone reads float32 that is already checked.
    """
    engine = Engine.load(bundle)
    bag = random_bag(patches, engine.facts.contract.feature_dim)
    np.save(scratch / f"{SLIDE}.npy", bag)
    tensor = {"name": "features", "datatype": "FP16", "shape": list(bag.shape)}
    header = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": bag.nbytes}}]}).encode()
    length = {"Inference-Header-Content-Length": str(len(header))}
    with running(bundle, scratch) as (port, _):
        infer = f"/v2/models/{quote(model_name(port))}/infer"
        works: dict[str, Work] = {
            "model": partial(engine.predict, bag),
            **_files(bundle, bag.astype(np.float32)[None]),
            "raw body": partial(post, port, "/predict", as_npy(bag)),
            "slide id": partial(post, port, "/predict", json.dumps({"slide_id": SLIDE}).encode()),
            "Open Inference Protocol": partial(post, port, infer, header + bag.tobytes(), length),
        }
        yield from _measured(f"{patches} patches", works, rounds)
        small = bag[:JSON_PATCHES]
        body = json.dumps({"features": small.tolist()}).encode()
        works = {
            "model": partial(engine.predict, small),
            "raw body": partial(post, port, "/predict", as_npy(small)),
            "JSON": partial(post, port, "/predict", body, {"Content-Type": "application/json"}),
        }
        yield from _measured(f"{len(small)} patches", works, rounds)


def _files(bundle: Path, bags: NDArray[np.float32]) -> dict[str, Work]:
    """The model files alone, without checks of the features."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = available_cores(), 3
    session = ort.InferenceSession(bundle / ONNX, options, providers=["CPUExecutionProvider"])
    works: dict[str, Work] = {"onnxruntime alone": partial(session.run, None, {"features": bags})}
    if (bundle / TORCHSCRIPT).is_file():
        import torch

        torch.set_num_threads(available_cores())
        script, features = torch.jit.load(bundle / TORCHSCRIPT), torch.from_numpy(bags)  # type: ignore[no-untyped-call]  # untyped in torch
        works["TorchScript alone"] = torch.inference_mode()(partial(script, features))
    return works


def _measured(case: str, works: Mapping[str, Work], rounds: int) -> Iterator[ServeRow]:
    in_turn(works, 1, spend)
    spent = in_turn(works, rounds, spend)
    medians = {way: float(np.median([each.wall for each in times])) for way, times in spent.items()}
    for way, seconds in medians.items():
        yield ServeRow(case, way, 1000 * seconds, seconds / medians["model"])


def as_table(rows: Sequence[ServeRow]) -> str:
    """The rows as text, and how much longer JSON takes than a raw body of the same patches."""
    lines = [f"{row.case:>14}  {row.way:<24} {row.milliseconds:9.1f} ms  {row.ratio:7.3f}" for row in rows]
    times = {(row.case, row.way): row.milliseconds for row in rows}
    slower = [(case, time / times[case, "raw body"]) for (case, way), time in times.items() if way == "JSON"]
    return "\n".join(
        [*lines, *(f"{case}: JSON takes {ratio:.1f} times as long as a raw body" for case, ratio in slower)]
    )
