"""The model of a bundle evaluated in blocks of patches, with the result for all patches at once.

A model that pools by softmax needs of all patches only their scores, and per head a running maximum, sum and weighted
sum of the hidden patches (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018, algorithm 3):

    w = softmax(s)        z = w · h        with s, h of each patch alone

Its file is divided at every such pair of operations. The part before them runs for each block and gives the scores s
and the mean z of the block; the part after them runs once, on w and z of all patches. Nothing else is changed, so
heads, ensembles, temperatures and tasks remain those of the file. bundle.json states whether a model pools in this way
(`pools_blocks`): that a score depends on its patch alone cannot be seen in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper

from oceanpath.errors import ArtifactError
from oceanpath.serving.contributions import PatchParts

BLOCK = 4096
"""Patches per block: 16 MB of features of 1,024 values."""


class Cut(NamedTuple):
    """Names of the tensors of one softmax pooling."""

    scores: str
    weights: str
    pooled: str
    hidden: str
    """The patches [1, n, E] that are pooled."""


@dataclass(frozen=True)
class DividedModel:
    """A model file divided at its softmax poolings."""

    cuts: tuple[Cut, ...]
    first: bytes
    """features → the file's outputs, and scores [1, H, n], pooled [1, H, E] and hidden [1, n, E] of every cut."""
    last: bytes
    """weights [1, H, n] and pooled [1, H, E] of every cut → the file's outputs."""


def divide(content: bytes) -> DividedModel:
    """The parts of a model file that pools its patches by softmax.

    Raises: ArtifactError: it is no ONNX file, or its outputs depend on the patches in another way.
    """
    try:
        model = onnx.load_from_string(content)
    except DecodeError as error:
        raise ArtifactError("the model is no ONNX file", got=error) from error
    cuts = _cuts(model.graph)
    ends = {name for cut in cuts for name in (cut.weights, cut.pooled)}
    nodes = _after(model.graph, ends)
    read = {name for node in nodes for name in node.input} & {each.name for each in model.graph.input}
    if not cuts or read:
        raise ArtifactError("the model cannot be evaluated in blocks of patches", got=sorted(read) or "no pooling")
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in sorted(ends)]
    used = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in model.graph.initializer if tensor.name in used]
    graph = helper.make_graph(nodes, "after_pooling", inputs, list(model.graph.output), constants)
    last = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    shown = [name for cut in cuts for name in (cut.scores, cut.pooled, cut.hidden)]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in shown)
    return DividedModel(cuts, model.SerializeToString(), last.SerializeToString())


def _cuts(graph: onnx.GraphProto) -> tuple[Cut, ...]:
    """Every softmax whose result is the first factor of a matrix product."""
    products = {node.input[0]: (node.output[0], node.input[1]) for node in graph.node if node.op_type == "MatMul"}
    return tuple(
        Cut(node.input[0], node.output[0], *products[node.output[0]])
        for node in graph.node
        if node.op_type == "Softmax" and node.output[0] in products
    )


def _after(graph: onnx.GraphProto, ends: set[str]) -> list[onnx.NodeProto]:
    """The nodes from which the outputs are computed, without those from which `ends` are computed."""
    wanted, nodes = {output.name for output in graph.output}, []
    for node in reversed(graph.node):  # in a valid file every node follows those that it reads
        if wanted & (set(node.output) - ends):
            nodes.append(node)
            wanted |= set(node.input)
    return nodes[::-1]


class RunningPooling:
    """One softmax pooling over the blocks that were added."""

    def __init__(self) -> None:
        self._scores: list[NDArray[np.float32]] = []
        self._top: NDArray[np.float64] = np.full((1, 1, 1), -np.inf)
        self._total: NDArray[np.float64] = np.zeros((1, 1, 1))
        self._sums: NDArray[np.float64] = np.zeros((1, 1, 1))

    def add(self, scores: NDArray[np.float32], pooled: NDArray[np.float32]) -> None:
        """One more block: its scores [1, H, n] and the mean [1, H, E] of its hidden patches."""
        self._scores.append(scores)
        with np.errstate(invalid="ignore"):  # scores that are not finite make the outputs NaN, which is reported
            top = np.maximum(self._top, scores.max(axis=-1, keepdims=True))
            total, keep = np.exp(scores - top).sum(axis=-1, keepdims=True), np.exp(self._top - top)
            self._total, self._sums = total + keep * self._total, total * pooled + keep * self._sums
        self._top = top

    def results(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The weights [1, H, n] of all patches, and their mean [1, H, E]."""
        with np.errstate(invalid="ignore"):
            weights = np.exp(np.concatenate(self._scores, axis=-1) - self._top) / self._total
        return weights.astype(np.float32), (self._sums / self._total).astype(np.float32)


class BlockModel:
    """A model file in onnxruntime that is evaluated in blocks of patches. Thread-safe."""

    def __init__(self, content: bytes, names: Sequence[str], options: ort.SessionOptions) -> None:
        """`names` are the outputs to compute. Raises: ArtifactError: the file cannot be divided."""
        parts, providers = divide(content), ["CPUExecutionProvider"]
        self.names, self.cuts = list(names), parts.cuts
        self.first = ort.InferenceSession(parts.first, options, providers=providers)
        self.last = ort.InferenceSession(parts.last, options, providers=providers)

    def run(self, bag: NDArray[np.float32]) -> list[NDArray[Any]]:
        """The outputs for a bag [n, D], with the axis of the batch."""
        blocks = BlockRun(self)
        blocks.add_all(bag)
        return blocks.outputs()

    def outputs_of(self, means: list[NDArray[np.float32]]) -> NDArray[np.floating]:
        """The outputs [M, n, C] of the members for means [n, H, E] of the heads of every cut."""
        feed: dict[str, Any] = {}
        for cut, mean in zip(self.cuts, means, strict=True):
            feed[cut.pooled], feed[cut.weights] = mean, np.zeros((*mean.shape[:2], 1), np.float32)
        outputs: NDArray[np.floating] = self.last.run([self.names[-1]], feed)[0]
        return outputs


class BlockRun:
    """One bag, whose patches are added block by block; the last block may be of any size."""

    def __init__(self, model: BlockModel, *, explains: bool = False) -> None:
        """With `explains`, `contributions` are computed too."""
        self._model, self._poolings = model, [RunningPooling() for _ in model.cuts]
        self._parts = PatchParts(model.outputs_of) if explains else None
        self._outputs: list[NDArray[Any]] = []

    def add(self, bag: NDArray[np.float32]) -> None:
        """One more block [n, D]."""
        cuts, feed = self._model.cuts, {"features": np.ascontiguousarray(bag)[None]}
        read = [[cut.scores for cut in cuts], [cut.pooled for cut in cuts]]
        read += [] if self._parts is None else [[cut.hidden for cut in cuts]]
        found = self._model.first.run([name for names in read for name in names], feed)
        parts = [found[start : start + len(cuts)] for start in range(0, len(found), len(cuts))]
        for pooling, scores, pooled in zip(self._poolings, parts[0], parts[1], strict=True):
            pooling.add(scores, pooled)
        if self._parts is not None:
            self._parts.add([hidden[0] for hidden in parts[2]], parts[0][0].shape[1])

    def add_all(self, bag: NDArray[np.float32]) -> None:
        """All patches of a bag [n, D]."""
        for start in range(0, len(bag), BLOCK):
            self.add(bag[start : start + BLOCK])

    def outputs(self) -> list[NDArray[Any]]:
        """The outputs of the model for all blocks, with the axis of the batch."""
        feed: dict[str, Any] = {}
        for cut, pooling in zip(self._model.cuts, self._poolings, strict=True):
            feed[cut.weights], feed[cut.pooled] = pooling.results()
        self._outputs = self._model.last.run(self._model.names, feed)
        return self._outputs

    def contributions(self) -> NDArray[np.float64] | None:
        """What each patch adds to the outputs of the members, [M, n, C], after `outputs`.

        None if they were not requested, or if the outputs are not a sum over patches.
        """
        members = self._outputs[-1][:, 0]
        if self._parts is None or len(members) != len(self._poolings):
            return None
        return self._parts.contributions([pooling.results()[0][0] for pooling in self._poolings], members)
