"""The one function that turns the features of a slide into an answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from oceanpath.artifacts.bundle import Bundle, BundleFacts, golden_bag, read_bundle
from oceanpath.cores import open_cores
from oceanpath.errors import ArtifactError
from oceanpath.serving.problems import (
    BadFeaturesError,
    NoPatchesError,
    NotFiniteError,
    WrongDimensionError,
    WrongEncoderError,
)

ORT_ERRORS = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    RuntimeError,
)
"""onnxruntime's exceptions share no base but Exception."""
GOLDEN_TOLERANCE = 1e-4
"""Wider than the parity of the export: another processor may add in another order."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one slide."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """[C], in class order; sums to 1."""
    predicted: str
    """The class with the largest probability."""
    decision: str | None
    """The class at the bundle's threshold; None where the bundle has none."""
    attention: NDArray[np.float32]
    """[N], non-negative, sums to 1, in the order of the patches given."""
    n_patches: int
    model_digest: str


class Engine:
    """A verified bundle, ready to answer. Safe to call from several threads."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self.facts: BundleFacts = bundle.facts
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or open_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # From bytes, so that what runs is what was verified and no file beside it can be asked for.
        try:
            self._session = ort.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])
            self._self_test(bundle.path)
        except ORT_ERRORS as error:
            raise ArtifactError("onnxruntime cannot run the model", where=bundle.path, got=error) from error

    @classmethod
    def load(cls, path: Path, threads: int | None = None) -> Engine:
        """Verify and load the bundle below `path`.

        Args:
            path: The bundle's folder.
            threads: Threads of one inference; default: the processors this process may use.

        Raises: ArtifactError: the bundle is damaged, or does not give its golden answer on this machine.
        """
        return cls(read_bundle(path), threads)

    def predict(self, features: NDArray[np.floating], encoder: str = "") -> Prediction:
        """The answer for one slide.

        Args:
            features: [N, D], float16, float32 or float64; computed in float32.
            encoder: What made the features, where that is known; must be the model's.

        Raises: WrongEncoderError, WrongDimensionError, NoPatchesError, NotFiniteError.
        """
        self._hold(features, encoder)
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf, and inf is refused by name below
            bag = np.ascontiguousarray(features, dtype=np.float32)
        if not np.isfinite(bag).all():
            raise NotFiniteError("a feature is NaN or infinite", expected="finite numbers", got=_first_bad(bag))
        probabilities, attention = self._run(bag)
        if not (np.isfinite(probabilities).all() and np.isfinite(attention).all()):
            largest = f"values up to {np.abs(bag).max():.3g}"
            raise BadFeaturesError("the model gives no finite answer to these features", got=largest)
        classes = tuple(self.facts.classes)
        return Prediction(
            classes=classes,
            probabilities=probabilities,
            predicted=classes[int(probabilities.argmax())],
            decision=self._decide(probabilities),
            attention=attention,
            n_patches=len(bag),
            model_digest=self.facts.digest,
        )

    def _run(self, bag: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = self._session.run(["probabilities", "attention"], {"features": bag[None]})
        return found[0][0], found[1][0]

    def _hold(self, features: NDArray[np.floating], encoder: str) -> None:
        contract = self.facts.contract
        if encoder and contract.encoder and encoder != contract.encoder:
            do = "Extract the slide with the encoder that the model was trained on."
            raise WrongEncoderError("another encoder than the model's", expected=contract.encoder, got=encoder, do=do)
        if features.ndim == 2 and len(features) == 0:
            raise NoPatchesError("the slide has no patches", expected="at least one")
        if features.ndim != 2 or features.shape[1] != contract.feature_dim:
            expected = f"[N, {contract.feature_dim}]"
            raise WrongDimensionError("features of the wrong shape", expected=expected, got=list(features.shape))

    def _decide(self, probabilities: NDArray[np.float32]) -> str | None:
        cut, classes = self.facts.threshold, self.facts.classes
        if cut.value is None or cut.positive is None:
            return None
        positive = classes.index(cut.positive)
        # Only a model of two classes has a threshold.
        return classes[positive] if float(probabilities[positive]) >= cut.value else classes[1 - positive]

    def _self_test(self, where: Path) -> None:
        golden = self.facts.golden
        found, _ = self._run(golden_bag(golden.patches, self.facts.contract.feature_dim))
        if not np.allclose(found, golden.probabilities, rtol=0, atol=GOLDEN_TOLERANCE):
            raise ArtifactError(
                "the model does not give its golden answer here",
                where=where,
                expected=golden.probabilities,
                got=found.tolist(),
                do="Compare the onnxruntime version and the processor with those of the export.",
            )


def _first_bad(bag: NDArray[np.float32]) -> str:
    rows = np.flatnonzero(~np.isfinite(bag).all(axis=1))
    return f"{len(rows)} patches, first number {rows[0]}"
