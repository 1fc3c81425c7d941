"""A bundle whose model pools patches by softmax, made without PyTorch."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from oceanpath.artifacts.bundle import folder as bundles
from oceanpath.artifacts.bundle.training_slides import TrainingSlides

from .conftest import DIM

HIDDEN, HEADS = 5, 2
NAMES = ["probabilities", "attention", "member_logits"]


def pooling_weights() -> list[np.ndarray]:
    """Of the hidden patches, of their scores, and of the logits."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(np.float32) for shape in ((DIM, HIDDEN), (HIDDEN, HEADS), (HIDDEN, 2))]


def pooling_file(reads_bag: str = "") -> bytes:
    """Hidden patches, the softmax of their scores in two heads, weighted means, and a linear layer over their sum.

    `reads_bag`: "scores" or "logits" are multiplied by the largest feature of the bag.
    """
    constants = [numpy_helper.from_array(part, name) for part, name in zip(pooling_weights(), "WSV", strict=True)]
    constants += [numpy_helper.from_array(np.array([axis], np.int64), f"axis{axis}") for axis in (0, 1)]
    constants.append(numpy_helper.from_array(np.ones(1, np.float32), "one"))
    nodes = [
        helper.make_node("MatMul", ["features", "W"], ["linear"]),
        helper.make_node("Relu", ["linear"], ["hidden"]),
        helper.make_node("ReduceMax", ["features", "axis1"], ["largest"], keepdims=0),
        helper.make_node("ReduceMax", ["largest", "axis1"], ["scale"], keepdims=1),
        helper.make_node("MatMul", ["hidden", "S"], ["linear_scores"]),
        helper.make_node("Mul", ["linear_scores", "scale" if reads_bag == "scores" else "one"], ["scores"]),
        helper.make_node("Transpose", ["scores"], ["heads"], perm=[0, 2, 1]),
        helper.make_node("Softmax", ["heads"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "hidden"], ["pooled"]),
        helper.make_node("ReduceMean", ["weights", "axis1"], ["attention"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "V"], ["by_head"]),
        helper.make_node("ReduceSum", ["by_head", "axis1"], ["joined"], keepdims=0),
        helper.make_node("Mul", ["joined", "scale" if reads_bag == "logits" else "one"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        helper.make_node("Unsqueeze", ["logits", "axis0"], ["member_logits"]),
    ]
    shapes: dict[str, list[int | str]] = {
        "probabilities": ["b", 2],
        "attention": ["b", "n"],
        "member_logits": [1, "b", 2],
    }
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in shapes.items()]
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["b", "n", DIM])]
    graph = helper.make_graph(nodes, "pooling", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def write_pooling_bundle(source: Path, target: Path, training: list[np.ndarray], *, pools_blocks: bool) -> Path:
    """The bundle `source` with this model, of one member and of these training bags."""
    shutil.copytree(source, target)
    content, facts = pooling_file(), bundles.read_facts(source)
    (target / bundles.ONNX).write_bytes(content)
    (target / bundles.TRAINING).write_bytes(TrainingSlides.of(training).render())
    bag = bundles.golden_bag(facts.golden.patches, DIM)
    probabilities = onnxruntime.InferenceSession(content).run(NAMES[:1], {"features": bag[None]})[0][0].tolist()
    golden = facts.golden.model_copy(update={"probabilities": probabilities})
    changes = {"golden": golden, "members": facts.members[:1], "pools_blocks": pools_blocks}
    bundles.seal(target, facts.model_copy(update=changes))
    return target
