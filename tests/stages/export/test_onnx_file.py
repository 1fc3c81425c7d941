"""The ONNX file of a small module."""

from __future__ import annotations

import logging

import onnx
import pytest
import torch
from torch import nn

from oceanpath.errors import StageError
from oceanpath.stages.export import onnx_file
from oceanpath.stages.export.onnx_file import to_onnx


class Means(nn.Module):
    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        means = features.mean(dim=2)
        return means.softmax(dim=1), means, means[None]


def test_the_axes_of_the_input_have_names_and_the_file_has_no_comments():
    model = onnx.load_from_string(to_onnx(Means(), 3, 20))
    assert [size.dim_param or size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim] == [
        *("batch", "n", 3)
    ]
    assert [part.name for part in model.graph.output] == ["probabilities", "attention", "member_logits"]
    parts = [*model.graph.node, *model.graph.value_info, *model.graph.initializer, model.graph, model]
    assert not any(part.doc_string or part.metadata_props for part in parts)


def test_an_exporter_without_a_result_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: None)
    with pytest.raises(StageError, match="returned no model"):
        to_onnx(Means(), 3, 20)


def test_a_model_that_is_not_valid_is_not_returned():
    model = onnx.load_from_string(to_onnx(Means(), 3, 20))
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64  # found only by the full check
    with pytest.raises(onnx.shape_inference.InferenceError):
        onnx_file._plain(model)


def test_loggers_have_their_levels_again_after_an_export():
    logger = logging.getLogger("torch.onnx")
    logger.setLevel(logging.INFO)
    to_onnx(Means(), 3, 20)
    assert logger.level == logging.INFO
