"""Exported files against eager torch, at sizes the exporters never saw."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import nn

from oceanpath.artifacts.bundle import Parity, ParityCase
from oceanpath.errors import StageError
from oceanpath.stages.export.settings import ExportSettings

Format = Literal["onnx", "torchscript"]
Answers = list[NDArray[np.float32]]
THREADS = 2
"""The published differences and golden answers must not depend on the machine's number of processors."""

Runner = Callable[[NDArray[np.float32]], Answers]


def measure(module: nn.Module, files: Mapping[Format, bytes], dim: int, settings: ExportSettings) -> Parity:
    """The largest difference of every file to `module` over all sizes of the settings.

    Raises: StageError: a difference is not finite or over the tolerance; such a file must not be shipped.
    """
    runners = {form: _runner(form, content) for form, content in files.items()}
    eager = _torch_runner(module)
    cases = []
    random = np.random.default_rng(0)
    for batch in settings.parity_batches:
        for patches in settings.parity_patches:
            bags = random.standard_normal((batch, patches, dim), dtype=np.float32)
            wanted = eager(bags)
            for form, run in runners.items():
                difference = _difference(run(bags), wanted, f"{form} at {batch} bags of {patches} patches")
                cases.append(ParityCase(format=form, batch=batch, patches=patches, difference=difference))
    worst = max(cases, key=lambda case: case.difference)
    if worst.difference > settings.tolerance:
        raise StageError(
            f"{worst.format} differs from the model at {worst.batch} bags of {worst.patches} patches",
            expected=f"at most {settings.tolerance:g}",
            got=f"{worst.difference:.3g}",
            do="Nothing was shipped. Leave this format out (export.formats) or change the model.",
        )
    return Parity(tolerance=settings.tolerance, worst=worst.difference, cases=cases)


def _difference(found: Answers, wanted: Answers, where: str) -> float:
    if [part.shape for part in found] != [part.shape for part in wanted]:
        got = [part.shape for part in found]
        raise StageError(
            "an exported file gives other shapes", where=where, got=got, expected=[p.shape for p in wanted]
        )
    worst = max(float(np.abs(a - b).max()) for a, b in zip(found, wanted, strict=True))
    if not np.isfinite(worst):
        raise StageError("an answer is not finite", where=where, do="The model itself may be damaged: train it again.")
    return worst


def _runner(form: Format, content: bytes) -> Runner:
    if form == "onnx":
        return _onnx_runner(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript as a whole, on purpose
        return _torch_runner(torch.jit.load(io.BytesIO(content), map_location="cpu"))  # type: ignore[no-untyped-call]  # untyped in torch


def _onnx_runner(content: bytes) -> Runner:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(bags: NDArray[np.float32]) -> Answers:
        return list(session.run(None, {"features": bags}))

    return run


def _torch_runner(module: nn.Module) -> Runner:
    def run(bags: NDArray[np.float32]) -> Answers:
        with torch.inference_mode():
            return [part.numpy() for part in module(torch.from_numpy(bags))]

    return run
