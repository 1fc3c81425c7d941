"""Bundles that differ from another one, made without PyTorch."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from oceanpath.artifacts.bundle import folder as bundles


def copy_with_other_weights(source: Path, target: Path, factor: float) -> str:
    """Write a bundle like `source` whose weights are multiplied by `factor`; returns its digest.

    The model file is replaced first and bundle.json last, as by any program that copies a bundle.
    """
    model = onnx.load(source / bundles.ONNX)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 1:
            tensor.CopyFrom(numpy_helper.from_array((values * np.float32(factor)).astype(np.float32), tensor.name))
    facts = bundles.read_facts(source)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    bag = bundles.golden_bag(facts.golden.patches, facts.contract.feature_dim)
    probabilities = session.run(["probabilities"], {"features": bag[None]})[0][0].tolist()
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        if path.name not in (bundles.ONNX, bundles.FACTS):
            shutil.copyfile(path, target / path.name)
    (target / bundles.ONNX).write_bytes(model.SerializeToString())
    golden = facts.golden.model_copy(update={"probabilities": probabilities})
    threshold = facts.threshold.model_copy(update={"value": round(0.5 + factor / 100, 4)})
    return bundles.seal(target, facts.model_copy(update={"golden": golden, "threshold": threshold})).digest
