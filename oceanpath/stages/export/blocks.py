"""Whether the server may evaluate an exported model in blocks of patches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from torch import nn

from oceanpath.errors import ArtifactError, StageError
from oceanpath.models.base import BaseMIL
from oceanpath.serving.blocks import BlockModel, BlockRun
from oceanpath.stages.export.onnx_file import OUTPUTS
from oceanpath.stages.export.runners import THREADS, runner_of

SIZES = (1, 40, 200)
"""Patches of the blocks that are compared with the whole bag."""


def pools_blocks(
    module: nn.Module, content: bytes, dim: int, tolerance: float, outputs: Sequence[str] = OUTPUTS
) -> bool:
    """Whether all aggregators of `module` pool their patches by softmax, and its file `content` can be divided there.

    Raises: StageError: the result for blocks of a bag differs from that of the file for the bag.
    """
    aggregators = [part for part in module.modules() if isinstance(part, BaseMIL)]
    if not aggregators or not all(part.pools_blocks for part in aggregators):
        return False
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = THREADS, 3
    try:
        blocks = BlockRun(BlockModel(content, outputs, options))
    except ArtifactError:  # an architecture of a plugin, whose file has other operations
        return False
    bag = np.random.default_rng(0).standard_normal((sum(SIZES), dim), dtype=np.float32)
    for part in np.split(bag, np.cumsum(SIZES)[:-1]):
        blocks.add(part)
    pairs = zip(blocks.outputs(), runner_of("onnx", content)(bag[None], None), strict=True)
    worst = max(float((np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted))).max()) for got, wanted in pairs)
    if not worst <= tolerance:
        do = "An architecture whose scores depend on several patches sets pools_blocks = False."
        expected, got = f"at most {tolerance:g}", f"{worst:.3g}"
        raise StageError(
            "the result for blocks of patches differs from the whole bag", expected=expected, got=got, do=do
        )
    return True
