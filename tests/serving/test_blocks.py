"""A model in blocks of patches gives the result for all patches at once; files that cannot be divided are refused."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from oceanpath.errors import ArtifactError
from oceanpath.serving.blocks import BlockModel, BlockRun, divide

from .conftest import DIM
from .pooling_bundle import NAMES, pooling_file


@pytest.fixture(scope="module")
def model() -> BlockModel:
    return BlockModel(pooling_file(), NAMES, onnxruntime.SessionOptions())


@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("sizes", [(1,), (40,), (1, 1, 38), (13, 13, 14), (1,) * 40])
def test_blocks_of_any_size_give_the_result_for_all_patches(model, sizes, scale):
    bag = (np.random.default_rng(len(sizes)).standard_normal((sum(sizes), DIM)) * scale).astype(np.float32)
    whole = onnxruntime.InferenceSession(pooling_file()).run(NAMES, {"features": bag[None]})
    blocks, start = BlockRun(model), 0
    for size in sizes:
        blocks.add(bag[start : start + size])
        start += size
    for got, wanted in zip(blocks.outputs(), whole, strict=True):
        assert got.shape == wanted.shape and got.dtype == wanted.dtype
        assert np.abs(got - wanted).max() <= 1e-6 * max(1.0, np.abs(wanted).max())
    assert blocks.outputs()[1].sum() == pytest.approx(1, abs=1e-6)


def test_a_file_whose_result_depends_on_the_bag_in_another_way_is_not_divided():
    with pytest.raises(ArtifactError, match=r"cannot be evaluated in blocks of patches; got \['features'\]"):
        divide(pooling_file(reads_bag=True))


def test_a_file_without_softmax_pooling_is_not_divided():
    graph = helper.make_graph(
        [helper.make_node("Identity", ["features"], ["values"])],
        "none",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["b", "n", DIM])],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["b", "n", DIM])],
    )
    with pytest.raises(ArtifactError, match="cannot be evaluated in blocks"):
        divide(helper.make_model(graph).SerializeToString())


def test_bytes_that_are_no_model_are_refused():
    with pytest.raises(ArtifactError, match="no ONNX file"):
        divide(b"onnx")
