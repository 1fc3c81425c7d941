"""The one function that turns the features of a slide into an answer."""

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
from oceanpath.serving.contract import apply_cap, rows_of, validate_coords, validate_features, validate_provenance
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
"""onnxruntime's exceptions share no base but Exception."""
TRAINING_NOTE = "part of the training cohort, so this is no measure of performance on new slides"
GOLDEN_TOLERANCE = 1e-4
"""Wider than the parity of the export: another processor may add in another order."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one slide."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """[C], in class order; sums to 1."""
    members: NDArray[np.float32]
    """[M, C]: what each member says alone, before its temperature; the evaluated numbers are of these."""
    predicted: str
    """The class with the largest probability."""
    decision: str | None
    """The class at the bundle's threshold; None where the bundle has none."""
    attention: NDArray[np.float32]
    """[N], non-negative, sums to 1, in the order of the patches given; 0 for those beyond the cap."""
    n_patches: int
    n_used: int
    """Patches that the model saw: fewer where the contract has a cap."""
    in_training: bool
    """Whether the slide was part of the training cohort."""
    notes: tuple[str, ...]
    """What a reader of the answer should know: what could not be compared, what was cut."""
    model_digest: str


class Engine:
    """A verified bundle, ready to answer. Safe to call from several threads."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        self.facts: BundleFacts = bundle.facts
        self._training = bundle.training
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        apply_cap(bundle.facts.contract.cap)
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

    def predict(
        self, features: NDArray[np.floating], coords: NDArray[Any] | None = None, about: Provenance = UNKNOWN
    ) -> Prediction:
        """The answer for one slide, as its evaluation would have it.

        Args:
            features: [N, D], float16, float32 or float64; rounded to the contract's dtype, computed in float32.
            coords: [N, 2] level-0 pixels, where they are known; the contract says whether they are needed.
            about: What is known of how the features were made. Its slide id chooses the patches of a bag over the cap.

        Raises: QuestionError: the features are not what the contract says.
        """
        contract = self.facts.contract
        validate_features(contract, features)
        notes = validate_provenance(contract, about)
        pixels = validate_coords(contract, coords, len(features))
        stored, bag = _as_evaluated(features, contract.dtype)
        rows = rows_of(contract.cap, len(bag), pixels, about.slide_id)
        if rows is not None:
            notes.append(
                f"the model's cap: {len(rows)} of {len(bag)} patches were used, drawn by the slide id {about.slide_id}"
            )
        seen = slice(None) if rows is None else rows
        probabilities, attention, logits = self._run(bag[seen], None if pixels is None else pixels[seen])
        if not (np.isfinite(probabilities).all() and np.isfinite(attention).all()):
            largest = f"values up to {np.abs(bag).max():.3g}"
            raise BadFeaturesError("the model gives no finite answer to these features", got=largest)
        weights = np.zeros(len(bag), np.float32)
        weights[seen] = attention
        classes = tuple(self.facts.classes)
        in_training = self._training.knows(stored, about.slide_digest)
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
            assert pixels is not None, "the contract was held"
            feed["coords"] = pixels.astype(np.float32)[None]
        probabilities, attention, logits = self._session.run(["probabilities", "attention", "member_logits"], feed)
        return probabilities[0], attention[0], logits[:, 0]

    def _decide(self, probabilities: NDArray[np.float32]) -> str | None:
        cut, classes = self.facts.threshold, self.facts.classes
        if cut.value is None or cut.positive is None:
            return None
        positive = classes.index(cut.positive)
        # Only a model of two classes has a threshold.
        return classes[positive] if float(probabilities[positive]) >= cut.value else classes[1 - positive]

    def _self_test(self, where: Path) -> None:
        golden = self.facts.golden
        found = self._run(golden_bag(golden.patches, self.facts.contract.feature_dim), golden_coords(golden.patches))[0]
        if not np.allclose(found, golden.probabilities, rtol=0, atol=GOLDEN_TOLERANCE):
            raise ArtifactError(
                "the model does not give its golden answer here",
                where=where,
                expected=golden.probabilities,
                got=found.tolist(),
                do="Compare the onnxruntime version and the processor with those of the export.",
            )


def _as_evaluated(features: NDArray[np.floating], dtype: str) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Features as a store of the contract's `dtype` holds them, and these as float32.

    Raises: NotFiniteError: a feature is not finite, or not in this precision.
    """
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf, and inf is refused by name below
        single = features if features.dtype == np.float16 else features.astype(np.float32)
    if not np.isfinite(single).all():
        raise NotFiniteError("a feature is NaN or infinite", expected="finite numbers", got=_first_bad(single))
    stored = as_stored(single, dtype)
    bag = as_numbers(stored, dtype).astype(np.float32)
    if not np.isfinite(bag).all():
        expected = f"numbers that {dtype} can hold, the model's precision"
        raise NotFiniteError("a feature is too large", expected=expected, got=_first_bad(bag))
    return stored, bag


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float32] = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return shares


def _first_bad(bag: NDArray[np.floating]) -> str:
    rows = np.flatnonzero(~np.isfinite(bag).all(axis=1))
    return f"{len(rows)} patches, first number {rows[0]}"
