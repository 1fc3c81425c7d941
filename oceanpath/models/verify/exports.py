"""Laws about files: TorchScript and ONNX give the model's answer at sizes the exporters never saw."""

from __future__ import annotations

import logging
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

Runner = Callable[[Tensor], list[Tensor]]


class Asked(nn.Module):
    """features [B, N, D] → embedding and attention: what an export is made of."""

    def __init__(self, model: BaseMIL) -> None:
        super().__init__()
        self.model = model

    def forward(self, h: Tensor) -> tuple[Tensor, Tensor | None]:
        """`forward_features` without mask and coordinates."""
        return self.model.forward_features(h, return_attention=True)


def torchscript_is_equal(model: BaseMIL) -> str:
    """What differs between the model and its traced and frozen form; "" when nothing does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns about what is compared right here
        example = torch.zeros(*EXAMPLE, model.in_dim)
        traced = torch.jit.freeze(torch.jit.trace(Asked(model).eval(), (example,), check_trace=False))  # type: ignore[no-untyped-call]  # untyped in torch
        return _compare(model, lambda h: list(traced(h)))


def onnx_is_equal(model: BaseMIL) -> str:
    """What differs between the model and its ONNX graph in onnxruntime; "" when nothing does."""
    import onnxruntime

    for name in NOISE:
        logging.getLogger(name).setLevel(logging.ERROR)
    sizes = ({0: torch.export.Dim("batch", min=1, max=4096), 1: torch.export.Dim("n", min=1, max=10_000_000)},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own insides
        example = (torch.zeros(*EXAMPLE, model.in_dim),)
        program = torch.onnx.export(Asked(model).eval(), example, dynamo=True, dynamic_shapes=sizes, verbose=False)
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    content = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _compare(model, lambda h: [torch.from_numpy(part) for part in session.run(None, {name: h.numpy()})])


@torch.no_grad()
def _compare(model: BaseMIL, run: Runner) -> str:
    random = np.random.default_rng(0)
    for bags, patches in SIZES:
        h = torch.from_numpy(random.standard_normal((bags, patches, model.in_dim), dtype=np.float32))
        for ours, theirs in zip(Asked(model)(h), run(h), strict=True):
            apart = float((ours - theirs).abs().max()) if ours.shape == theirs.shape else float("nan")
            if not apart <= CLOSE:
                return f"differs by {apart:.1e} at {bags} bags of {patches} patches, at most {CLOSE:g}"
    return ""
