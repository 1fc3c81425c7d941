"""A model in blocks of patches gives the result for all patches at once; files that cannot be divided are refused."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from oceanpath.errors import ArtifactError
from oceanpath.serving.blocks import BlockModel, BlockRun, divide
from oceanpath.serving.contributions import PatchParts

from .conftest import DIM
from .pooling_bundle import NAMES, pooling_file, pooling_weights


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


@pytest.mark.parametrize("sizes", [(1,), (600,), (13, 27)])
def test_contributions_of_patches_sum_to_the_outputs_of_the_members(model, sizes):
    bag = np.random.default_rng(3).standard_normal((sum(sizes), DIM)).astype(np.float32)
    blocks = BlockRun(model, explains=True)
    for part in np.split(bag, np.cumsum(sizes)[:-1]):
        blocks.add(part)
    members = blocks.outputs()[-1][:, 0]
    contributions = blocks.contributions()
    assert contributions is not None and contributions.shape == (1, len(bag), 2)
    assert np.abs(contributions.sum(axis=1) - members).max() < 1e-4
    first, scorer, last = pooling_weights()
    hidden = np.maximum(bag @ first, 0)
    powers = np.exp(hidden @ scorer - (hidden @ scorer).max(axis=0))
    assert np.abs(contributions[0] - (powers / powers.sum(axis=0)).sum(axis=1)[:, None] * (hidden @ last)).max() < 1e-5


def test_without_a_request_or_a_sum_there_are_no_contributions(model):
    bag = np.arange(3 * DIM, dtype=np.float32).reshape(3, DIM)
    plain = BlockRun(model)
    plain.add(bag)
    plain.outputs()
    assert plain.contributions() is None
    squared = PatchParts(lambda means: np.square(means[0].sum(axis=(1, 2)))[None, :, None])
    squared.add([bag], 1)
    weights = np.full((1, 3), 1 / 3, np.float32)
    assert squared.contributions([weights], np.array([[bag.mean(axis=0).sum() ** 2]])) is None


def test_a_file_whose_result_depends_on_the_bag_in_another_way_is_not_divided():
    with pytest.raises(ArtifactError, match=r"cannot be evaluated in blocks of patches; got \['features'\]"):
        divide(pooling_file("logits"))


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
