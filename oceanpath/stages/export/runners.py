"""Exported files and eager torch models as functions of numpy arrays."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import nn

Format = Literal["onnx", "torchscript"]
Outputs = list[NDArray[Any]]
"""Probabilities, attention and member_logits; of a task without classes values, attention and member_values; of a
pretrained aggregator embedding and attention."""
THREADS = 2
"""The published differences and reference outputs must not depend on the machine's number of cores."""
Runner = Callable[[NDArray[np.float32], NDArray[np.float32] | None], Outputs]
"""(features [B, n, D], coords [B, n, 2] or None) → the outputs."""


def runner_of(form: Format, content: bytes) -> Runner:
    """A runner of an exported file."""
    if form == "onnx":
        return _onnx_runner(content)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # all of TorchScript is deprecated; it is used intentionally
        return torch_runner(torch.jit.load(io.BytesIO(content), map_location="cpu"))  # type: ignore[no-untyped-call]  # untyped in torch


def torch_runner(module: nn.Module) -> Runner:
    """A runner of a torch module."""

    def run(features: NDArray[np.float32], coords: NDArray[np.float32] | None) -> Outputs:
        inputs = [features] if coords is None else [features, coords]
        with torch.inference_mode():
            return [part.numpy() for part in module(*map(torch.from_numpy, inputs))]

    return run


def _onnx_runner(content: bytes) -> Runner:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(features: NDArray[np.float32], coords: NDArray[np.float32] | None) -> Outputs:
        feed = {"features": features} if coords is None else {"features": features, "coords": coords}
        return list(session.run(None, feed))

    return run
