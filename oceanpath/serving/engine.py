"""Inference: the features of a slide → its prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from oceanpath.artifacts.bundle.folder import Bundle, BundleFacts, golden_bag, golden_coords, read_bundle
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.artifacts.store.bfloat16 import as_numbers, as_stored
from oceanpath.cores import available_cores
from oceanpath.errors import ArtifactError
from oceanpath.serving.contract import (
    check_sampling,
    sample_rows,
    validate_coords,
    validate_features,
    validate_provenance,
)
from oceanpath.serving.errors import BadFeaturesError, NotFiniteError

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
TRAINING_NOTE = "this slide was part of the training cohort; its prediction does not show the performance on new slides"
GOLDEN_TOLERANCE = 1e-4
"""Wider than the tolerance of the export, because another processor may sum in a different order."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for one slide."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """[C], in class order; sums to 1."""
    members: NDArray[np.float32]
    """[M, C]: probabilities of each member before temperature scaling, as evaluated."""
    predicted: str
    """The class with the largest probability."""
    decision: str | None
    """The class according to the bundle's threshold; None if there is none."""
    attention: NDArray[np.float32]
    """[N], non-negative, sums to 1, in the order of the input; 0 for patches that the cap excludes."""
    n_patches: int
    n_used: int
    """Patches that the model used: fewer if the contract has a cap."""
    in_training: bool
    """Whether the slide was part of the training cohort."""
    notes: tuple[str, ...]
    """What could not be compared with the contract, and which patches were not used."""
    model_digest: str

    def by_label(self) -> dict[str, float]:
        """Class → probability, in class order."""
        return dict(zip(self.classes, map(float, self.probabilities), strict=True))


class Engine:
    """A verified bundle, ready for inference. Thread-safe."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self.facts: BundleFacts = bundle.facts
        self._training = bundle.training
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        check_sampling(bundle.facts.contract.cap)
        # from bytes: the verified content is loaded, and external data files are not
        try:
            self._session = ort.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])
            self._self_test(bundle.path)
        except ORT_ERRORS as error:
            raise ArtifactError("onnxruntime cannot run the model", where=bundle.path, got=error) from error

    @classmethod
    def load(cls, path: Path, threads: int | None = None) -> Engine:
        """Verify and load the bundle in the folder `path`.

        Args:
            path: The folder of the bundle.
            threads: Threads of one inference; default: all available cores.

        Raises: ArtifactError: the bundle is damaged, or does not reproduce its reference prediction on this machine.
        """
        return cls(read_bundle(path), threads)

    def predict(
        self, features: NDArray[np.floating], coords: NDArray[Any] | None = None, provenance: Provenance = UNKNOWN
    ) -> Prediction:
        """The prediction for one slide, computed as in the evaluation.

        Args:
            features: [N, D], float16, float32 or float64; rounded to the contract's dtype, computed in float32.
            coords: [N, 2] level-0 pixels, if known; the contract states whether they are required.
            provenance: How the features were extracted, as far as known. Its slide id determines the sample of
                patches if there are more than the cap.

        Raises: RequestError: the features do not meet the contract.
        """
        contract = self.facts.contract
        validate_features(contract, features)
        notes = validate_provenance(contract, provenance)
        pixels = validate_coords(contract, coords, len(features))
        stored, bag = _as_evaluated(features, contract.dtype)
        rows = sample_rows(contract.cap, len(bag), pixels, provenance.slide_id)
        if rows is not None:
            sampled = f"{len(rows)} of {len(bag)} patches were used, sampled by the slide id {provenance.slide_id}"
            notes.append(f"the model's cap: {sampled}")
        used = slice(None) if rows is None else rows
        probabilities, attention, logits = self._run(bag[used], None if pixels is None else pixels[used])
        if not (np.isfinite(probabilities).all() and np.isfinite(attention).all()):
            largest = f"values up to {np.abs(bag).max():.3g}"
            raise BadFeaturesError("the model's output for these features is not finite", got=largest)
        weights = np.zeros(len(bag), np.float32)
        weights[used] = attention
        classes = tuple(self.facts.classes)
        in_training = self._training.contains(stored, provenance.slide_digest)
        notes += [TRAINING_NOTE] if in_training else []
        return Prediction(
            classes=classes,
            probabilities=probabilities,
            members=_softmax(logits),
            predicted=classes[int(probabilities.argmax())],
            decision=self._decide(probabilities),
            attention=weights,
            n_patches=len(bag),
            n_used=len(attention),
            in_training=in_training,
            notes=tuple(notes),
            model_digest=self.facts.digest,
        )

    def _run(self, bag: NDArray[np.float32], pixels: NDArray[Any] | None) -> tuple[NDArray[np.float32], ...]:
        """Probabilities [C], attention [n] and member_logits [M, C] of one bag."""
        feed = {"features": np.ascontiguousarray(bag)[None]}
        if self.facts.contract.coords == "required":
            assert pixels is not None, "validate_coords requires them"
            feed["coords"] = pixels.astype(np.float32)[None]
        probabilities, attention, logits = self._session.run(["probabilities", "attention", "member_logits"], feed)
        return probabilities[0], attention[0], logits[:, 0]

    def _decide(self, probabilities: NDArray[np.float32]) -> str | None:
        threshold, classes = self.facts.threshold, self.facts.classes
        if threshold.value is None or threshold.positive is None:
            return None
        positive = classes.index(threshold.positive)
        # only models of two classes have a threshold
        return classes[positive] if float(probabilities[positive]) >= threshold.value else classes[1 - positive]

    def _self_test(self, where: Path) -> None:
        golden = self.facts.golden
        bag = golden_bag(golden.patches, self.facts.contract.feature_dim)
        output = self._run(bag, golden_coords(golden.patches))[0]
        if not np.allclose(output, golden.probabilities, rtol=0, atol=GOLDEN_TOLERANCE):
            raise ArtifactError(
                "the model does not reproduce its reference prediction on this machine",
                where=where,
                expected=golden.probabilities,
                got=output.tolist(),
                do="Compare the onnxruntime version and the processor with those of the export.",
            )


def _as_evaluated(features: NDArray[np.floating], dtype: str) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Features as in a store of the contract's `dtype`, and the same values as float32.

    Raises: NotFiniteError: a feature is not finite, or too large for the dtype.
    """
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf, which is rejected below
        single = features if features.dtype == np.float16 else features.astype(np.float32)
    if not np.isfinite(single).all():
        raise NotFiniteError("a feature is NaN or infinite", expected="finite numbers", got=_first_bad(single))
    stored = as_stored(single, dtype)
    bag = as_numbers(stored, dtype).astype(np.float32)
    if not np.isfinite(bag).all():
        expected = f"numbers within the range of {dtype}, the model's precision"
        raise NotFiniteError("a feature is too large", expected=expected, got=_first_bad(bag))
    return stored, bag


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float32] = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities


def _first_bad(bag: NDArray[np.floating]) -> str:
    rows = np.flatnonzero(~np.isfinite(bag).all(axis=1))
    return f"{len(rows)} patches, the first in row {rows[0]}"
