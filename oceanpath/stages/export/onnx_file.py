"""Eager module → model.onnx: one file, any number of bags and patches, equal bytes for equal weights."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import onnx
import torch
from torch import nn

from oceanpath.errors import StageError

EXAMPLE = (2, 100)
"""A batch of 1 would become a constant of the graph (a `param.expand(B)` is specialised to it), as would one patch."""
INPUTS = ["features", "coords"]
OUTPUTS = ["probabilities", "attention", "member_logits"]
NOISE = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "torch._dynamo")


def example_inputs(dim: int, *, coords: bool) -> tuple[torch.Tensor, ...]:
    """Example inputs for the exporters: features and, if the model reads them, coordinates."""
    features = torch.zeros(*EXAMPLE, dim)
    return (features, torch.zeros(*EXAMPLE, 2)) if coords else (features,)


def to_onnx(
    module: nn.Module, dim: int, opset: int, *, coords: bool = False, outputs: Sequence[str] = OUTPUTS
) -> bytes:
    """`module`, whose outputs get the names `outputs`, as the bytes of a self-contained ONNX model.

    Its inputs are ``features`` [batch, n, dim] float32 and, with `coords`, ``coords`` [batch, n, 2] float32.

    Raises: StageError: the exporter does not know an operation of the module, or the file would exceed 2 GB.
    """
    example = example_inputs(dim, coords=coords)
    size = {0: torch.export.Dim("batch", min=1, max=4096), 1: torch.export.Dim("n", min=1, max=10_000_000)}
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                example,
                dynamo=True,
                external_data=False,
                opset_version=opset,
                input_names=INPUTS[: len(example)],
                output_names=list(outputs),
                dynamic_shapes=tuple(size for _ in example),
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, ValueError) as error:
        do = "Use another model, or report its model.name in an issue."
        raise StageError("the model cannot be exported to ONNX", got=str(error).splitlines()[0], do=do) from error
    if program is None:
        raise StageError("the ONNX exporter returned no model")
    return _plain(program.model_proto)


def _plain(model: onnx.ModelProto) -> bytes:
    """The model as deterministic bytes, checked, without stack traces, paths and comments."""
    model.doc_string = ""
    del model.metadata_props[:]
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        value.doc_string = ""
        del value.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's logs and warnings about its internals."""
    loggers = [logging.getLogger(name) for name in NOISE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
