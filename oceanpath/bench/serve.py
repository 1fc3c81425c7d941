"""Times of requests as multiples of the time of the model in this process, against a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import h5py
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.folder import ONNX, TORCHSCRIPT
from oceanpath.bench.clock import Work, in_turn, spend
from oceanpath.bench.server_process import SLIDE, as_npy, model_name, post, random_bag, running
from oceanpath.cores import available_cores
from oceanpath.serving.engine import Engine

RAW = "raw body"
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
    """Divided by the time of the model in the same round: the median of all rounds."""
    of_raw: float
    """The same, divided by the time of a raw body."""


def bench_requests(bundle: Path, patches: int, rounds: int, scratch: Path) -> Iterator[ServeRow]:
    """Raw bodies, slides by id, binary tensors of float16, and JSON, alternating with the model in this process.

    The model of the ratios is the engine of `oceanpath predict`; its file alone reads float32 that is already checked.
    """
    engine = Engine.load(bundle)
    bag = random_bag(patches, engine.facts.contract.feature_dim)
    np.save(scratch / f"{SLIDE}.npy", bag)
    with h5py.File(scratch / f"{SLIDE}-h5.h5", "w") as file:
        file["features"], file["coords"] = bag, np.zeros((patches, 2), np.int32)
    with running(bundle, scratch) as (port, _):
        infer = f"/v2/models/{quote(model_name(port))}/infer"
        binary, with_json = (_tensor_request(bag, binary_output=is_binary) for is_binary in (True, False))
        works: dict[str, Work] = {
            "model": partial(engine.predict, bag),
            **_files(bundle, bag.astype(np.float32)[None]),
            RAW: partial(post, port, "/predict", as_npy(bag)),
            **{
                f"slide id, {suffix}": partial(post, port, "/predict", json.dumps({"slide_id": name}).encode())
                for suffix, name in ((".npy", SLIDE), (".h5", f"{SLIDE}-h5"))
            },
            "Open Inference Protocol": partial(post, port, infer, *binary),
            "the same, answer as JSON": partial(post, port, infer, *with_json),
        }
        yield from _measured(f"{patches} patches", works, rounds)
        small = bag[:JSON_PATCHES]
        body = json.dumps({"features": small.tolist()}).encode()
        works = {
            "model": partial(engine.predict, small),
            RAW: partial(post, port, "/predict", as_npy(small)),
            "JSON": partial(post, port, "/predict", body, {"Content-Type": "application/json"}),
        }
        yield from _measured(f"{len(small)} patches", works, rounds)


def _tensor_request(bag: NDArray[np.float16], *, binary_output: bool) -> tuple[bytes, dict[str, str]]:
    """Body and headers of an inference request with binary features; Triton's client requests binary outputs too."""
    tensor = {"name": "features", "datatype": "FP16", "shape": list(bag.shape)}
    inputs = [{**tensor, "parameters": {"binary_data_size": bag.nbytes}}]
    header = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": binary_output}}).encode()
    return header + bag.tobytes(), {"Inference-Header-Content-Length": str(len(header))}


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
    seconds = {way: np.array([each.wall for each in times]) for way, times in spent.items()}
    for way, own in seconds.items():
        ratios = [float(np.median(own / seconds[base])) for base in ("model", RAW)]
        yield ServeRow(case, way, 1000 * float(np.median(own)), *ratios)


def as_table(rows: Sequence[ServeRow]) -> str:
    """The rows as text."""
    lines = [f"{'':>14}  {'':<24} {'median':>12}  /model  /raw body"]
    for row in rows:
        ratios = f"{row.ratio:7.3f}  {row.of_raw:9.3f}"
        lines.append(f"{row.case:>14}  {row.way:<24} {row.milliseconds:9.1f} ms {ratios}")
    return "\n".join(lines)
