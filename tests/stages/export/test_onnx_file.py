"""The ONNX file of a small module."""

from __future__ import annotations

import logging
import warnings
from typing import Any

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


@pytest.fixture(scope="module")
def exported() -> bytes:
    """The file of `Means`, made once."""
    return to_onnx(Means(), 3, 20)


def test_the_axes_of_the_input_have_names_and_the_file_has_no_comments(exported):
    model = onnx.load_from_string(exported)
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


def test_a_model_that_is_not_valid_is_not_returned(exported):
    model = onnx.load_from_string(exported)
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64  # found only by the full check
    with pytest.raises(onnx.shape_inference.InferenceError):
        onnx_file._plain(model)


def test_loggers_have_their_levels_again_after_an_export():
    logger = logging.getLogger("torch.onnx")
    logger.setLevel(logging.INFO)
    to_onnx(Means(), 3, 20)
    assert logger.level == logging.INFO


def with_comments(exported: bytes) -> onnx.ModelProto:
    """A model with a text of this machine at every place that can have one."""
    model = onnx.load_from_string(exported)
    value = onnx.helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, ["n"])
    model.graph.value_info.append(value)
    graph = model.graph
    function = onnx.helper.make_function(
        "own", "f", ["x"], ["y"], [onnx.helper.make_node("Identity", ["x"], ["y"])], [onnx.helper.make_opsetid("", 20)]
    )
    model.functions.append(function)
    model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    nodes = [*graph.node, *model.functions[0].node]
    values = [*graph.input, *graph.output, *graph.value_info, *graph.initializer]
    for part in (model, graph, model.functions[0], *nodes, *values):
        part.doc_string = "/folder/secret"
        part.metadata_props.add(key="stack", value="/folder/secret")
    return model


def test_no_text_of_the_exporting_machine_is_in_the_file(exported):
    model = with_comments(exported)
    assert b"secret" in model.SerializeToString()
    content = onnx_file._plain(model)
    assert b"secret" not in content and b"stack" not in content
    assert len(onnx.load_from_string(content).functions) == 1


@pytest.mark.parametrize("coords", [False, True])
def test_examples_are_a_batch_of_several_bags_of_several_patches(coords):
    """One bag or one patch would become a constant of the graph."""
    parts = onnx_file.example_inputs(5, coords=coords)
    assert [part.shape[2] for part in parts] == ([5, 2] if coords else [5])
    assert all(min(part.shape[:2]) >= 2 and part.dtype == torch.float32 for part in parts)


def test_levels_of_loggers_and_filters_of_warnings_are_restored_after_an_error():
    loggers = [logging.getLogger(name) for name in onnx_file.NOISE]
    before = [logger.level for logger in loggers]
    try:
        for number, logger in enumerate(loggers):
            logger.setLevel(logging.DEBUG + number)
        with pytest.raises(KeyError), onnx_file._quiet():
            assert all(logger.level == logging.ERROR for logger in loggers)
            warnings.warn("of the exporter", UserWarning, stacklevel=1)
            raise KeyError
        assert [logger.level for logger in loggers] == [logging.DEBUG + k for k in range(len(loggers))]
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def test_an_operation_that_cannot_be_exported_is_an_error_with_its_first_line(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("no such operation\nstack trace")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(StageError, match=r"cannot be exported to ONNX.*got no such operation") as caught:
        to_onnx(Means(), 3, 20)
    assert "stack trace" not in caught.value.render()


def test_the_exporter_gets_the_names_the_sizes_and_the_operator_set(monkeypatch):
    seen: dict[str, Any] = {}
    monkeypatch.setattr(torch.onnx, "export", lambda module, example, **how: seen.update(how, inputs=example))
    for coords, names in ((False, ["features"]), (True, ["features", "coords"])):
        with pytest.raises(StageError):
            to_onnx(Means(), 3, 19, coords=coords, outputs=("a", "b"))
        assert (seen["input_names"], seen["output_names"], seen["opset_version"]) == (names, ["a", "b"], 19)
        assert seen["dynamo"] is True and seen["external_data"] is False and seen["verbose"] is False
        assert len(seen["inputs"]) == len(seen["dynamic_shapes"]) == len(names)
        for sizes in seen["dynamic_shapes"]:
            assert {axis: (size.__name__, size.min) for axis, size in sizes.items()} == {0: ("batch", 1), 1: ("n", 1)}
            assert {size.max for size in sizes.values()} == {4096, 10_000_000}
