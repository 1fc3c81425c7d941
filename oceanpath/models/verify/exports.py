"""Contract checks of exports: TorchScript and ONNX equal the model at sizes other than the example."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from oceanpath.models.base import BaseMIL

EXAMPLE = (2, 100)
SIZES = ((1, 1), (3, 7), (2, 100), (1, 4096))
"""Bags and patches of the comparisons."""
CLOSE = 2e-5
NOISE = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "torch._dynamo")

Inputs = tuple[Tensor, ...]
Runner = Callable[[Inputs], list[Tensor]]


class ExportedForward(nn.Module):
    """features [B, N, D] (and coordinates [B, N, 2]) → embedding and attention, the exported function."""

    def __init__(self, model: BaseMIL) -> None:
        super().__init__()
        self.model = model

    def forward(self, h: Tensor, coords: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """`forward_features` without a mask."""
        return self.model.forward_features(h, None, coords, return_attention=True)


def torchscript_is_equal(model: BaseMIL) -> str:
    """The difference between the model and its traced and frozen form, or ""."""

    def export(example: Inputs) -> Runner:
        traced = torch.jit.freeze(torch.jit.trace(ExportedForward(model).eval(), example, check_trace=False))  # type: ignore[no-untyped-call]  # untyped in torch
        return lambda inputs: list(traced(*inputs))

    return _with_and_without_coords(model, export)


def onnx_is_equal(model: BaseMIL) -> str:
    """The difference between the model and its ONNX graph in onnxruntime, or ""."""
    import onnxruntime

    for name in NOISE:
        logging.getLogger(name).setLevel(logging.ERROR)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3

    def export(example: Inputs) -> Runner:
        size = {0: torch.export.Dim("batch", min=1, max=4096), 1: torch.export.Dim("n", min=1, max=10_000_000)}
        sizes = tuple(size for _ in example)
        program = torch.onnx.export(
            ExportedForward(model).eval(), example, dynamo=True, dynamic_shapes=sizes, verbose=False
        )
        assert program is not None
        content = program.model_proto.SerializeToString()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = [node.name for node in session.get_inputs()]

        def run(inputs: Inputs) -> list[Tensor]:
            feed = {name: values.numpy() for name, values in zip(names, inputs, strict=True)}
            try:
                return [torch.from_numpy(part) for part in session.run(None, feed)]
            except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument as error:
                raise ValueError(f"onnxruntime refuses a size: {' '.join(str(error).split())}") from error

        return run

    return _with_and_without_coords(model, export)


def _with_and_without_coords(model: BaseMIL, export: Callable[[Inputs], Runner]) -> str:
    """The difference without coordinates and, if the model reads them, with coordinates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # exporters warn about sizes, which are compared here
        for coords in (False, True)[: 1 + model.reads_coords]:
            difference = _compare(model, export(_inputs(model, *EXAMPLE, coords)), coords)
            if difference:
                return difference + (" with coordinates" if coords else "")
    return ""


@torch.no_grad()
def _compare(model: BaseMIL, run: Runner, coords: bool) -> str:
    for bags, patches in SIZES:
        inputs = _inputs(model, bags, patches, coords)
        for ours, theirs in zip(ExportedForward(model)(*inputs), run(inputs), strict=True):
            error = float((ours - theirs).abs().max()) if ours.shape == theirs.shape else float("nan")
            if not error <= CLOSE:
                return f"differs by {error:.1e} at {bags} bags of {patches} patches (limit {CLOSE:g})"
    return ""


def _inputs(model: BaseMIL, bags: int, patches: int, coords: bool) -> Inputs:
    """Standard normal features, and coordinates on a grid in every second bag, random in the others."""
    random = np.random.default_rng(patches)
    h = torch.from_numpy(random.standard_normal((bags, patches, model.in_dim), dtype=np.float32))
    if not coords:
        return (h,)
    side = 2 * math.ceil(math.sqrt(patches))
    cells = np.stack([random.permutation(side * side)[:patches] for _ in range(bags)])
    on_grid = np.stack([cells % side, cells // side], axis=-1) * 512 + 1000
    anywhere = random.integers(0, 100_000, on_grid.shape)
    odd = np.arange(bags)[:, None, None] % 2 == 1
    return h, torch.from_numpy(np.where(odd, anywhere, on_grid).astype(np.int32))
