"""The model file of a bundle in onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from oceanpath.artifacts.bundle.facts import ModelFacts
from oceanpath.artifacts.bundle.folder import Bundle, golden_bag, golden_coords
from oceanpath.cores import available_cores
from oceanpath.errors import ArtifactError
from oceanpath.serving.blocks import BlockModel
from oceanpath.serving.contract import check_patient_bags, check_sampling

ORT_ERRORS = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    RuntimeError,
)
"""onnxruntime's exceptions have no common base class but Exception."""
GOLDEN_TOLERANCE = 1e-4
"""Wider than the tolerance of the export, because another processor may sum in a different order."""


class Session:
    """The model of a bundle. Thread-safe."""

    def __init__(self, bundle: Bundle, names: tuple[str, ...], training_note: str, threads: int | None = None) -> None:
        """`names` are the outputs to compute; one of them is attention, and the first one is tested.

        `training_note` is added for slides of the training cohort.

        Raises: ArtifactError: onnxruntime cannot run the model.
        """
        self.facts: ModelFacts = bundle.facts
        self.training, self.statistics, self.training_note = bundle.training, bundle.statistics, training_note
        self._path, self._names = bundle.path, names
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        check_sampling(bundle.facts.contract.cap)
        check_patient_bags(bundle.facts.contract)
        self.blocks: BlockModel | None = None
        """The same model, if it can be evaluated in blocks of patches."""
        # from bytes: the verified content is loaded, and external data files are not
        try:
            if bundle.facts.pools_blocks:
                self.blocks = BlockModel(bundle.onnx, names, options)
            else:
                self._whole = ort.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])
        except ORT_ERRORS as error:
            raise ArtifactError("onnxruntime cannot run the model", where=bundle.path, got=error) from error

    def test(self, patches: int, expected: list[float], *, relative: bool = False) -> None:
        """Compare the first output for the golden bag with the known result.

        With `relative`, the tolerance is multiplied by results above 1.

        Raises: ArtifactError: it differs, or onnxruntime cannot run the model.
        """
        try:
            output = self.run(golden_bag(patches, self.facts.contract.feature_dim), golden_coords(patches))[0]
        except ORT_ERRORS as error:
            raise ArtifactError("onnxruntime cannot run the model", where=self._path, got=error) from error
        allowed = GOLDEN_TOLERANCE * (np.maximum(1.0, np.abs(expected)) if relative else 1.0)
        if output.shape != (len(expected),) or not (np.abs(output - np.asarray(expected)) <= allowed).all():
            raise ArtifactError(
                "the model does not reproduce its reference prediction on this machine",
                where=self._path,
                expected=expected,
                got=output.tolist(),
                do="Compare the onnxruntime version and the processor with those of the export.",
            )

    def run(self, bag: NDArray[np.float32], pixels: NDArray[Any] | None) -> list[NDArray[Any]]:
        """The outputs for one bag [n, D], in the order of their names, without the axis of the batch."""
        if self.blocks is not None:
            return self.without_batch(self.blocks.run(bag))
        feed = {"features": np.ascontiguousarray(bag)[None]}
        if self.facts.contract.coords == "required":
            assert pixels is not None, "validate_coords requires them"
            feed["coords"] = pixels.astype(np.float32)[None]
        return self.without_batch(self._whole.run(list(self._names), feed))

    def without_batch(self, outputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs of one bag without the axis of the batch."""
        pairs = zip(self._names, outputs, strict=True)
        return [output[:, 0] if name.startswith("member_") else output[0] for name, output in pairs]

    def attention_of(self, outputs: list[NDArray[Any]]) -> NDArray[np.float32]:
        """The attention [n] among the outputs."""
        attention: NDArray[np.float32] = outputs[self._names.index("attention")]
        return attention
