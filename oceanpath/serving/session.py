"""A verified bundle in onnxruntime, and the checks of the features of a slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from oceanpath.artifacts.bundle.facts import ModelFacts
from oceanpath.artifacts.bundle.folder import Bundle, golden_bag, golden_coords
from oceanpath.artifacts.features.provenance import Provenance
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
OOD_NOTE = "the slide is unlike the training slides (out of distribution), so its prediction may be wrong"
GOLDEN_TOLERANCE = 1e-4
"""Wider than the tolerance of the export, because another processor may sum in a different order."""


@dataclass(frozen=True)
class Similarity:
    """Whether a slide is unlike the training slides, by the mean of its patch features."""

    ood_score: float
    """Mahalanobis distance from the training slides."""
    ood_limit: float
    """Largest distance of a slide that is not flagged."""

    @property
    def is_ood(self) -> bool:
        """Whether the slide is out of the distribution of the training slides."""
        return self.ood_score > self.ood_limit


@dataclass(frozen=True)
class SlideOutputs:
    """The outputs of the model for one slide, with notes on its features."""

    outputs: list[NDArray[Any]]
    """In the order of the names, without the axis of the batch."""
    attention: NDArray[np.float32]
    """[N], in the order of the input; 0 for patches that the cap excludes."""
    n_patches: int
    n_used: int
    in_training: bool
    similarity: Similarity | None
    notes: tuple[str, ...]


class Session:
    """The model of a bundle. Thread-safe."""

    def __init__(self, bundle: Bundle, names: tuple[str, ...], training_note: str, threads: int | None = None) -> None:
        """`names` are the outputs to compute; one of them is attention, and the first one is tested.

        `training_note` is added for slides of the training cohort.

        Raises: ArtifactError: onnxruntime cannot run the model.
        """
        self.facts: ModelFacts = bundle.facts
        self._path, self._training, self._names = bundle.path, bundle.training, names
        self._statistics = bundle.statistics
        self._training_note = training_note
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        check_sampling(bundle.facts.contract.cap)
        # from bytes: the verified content is loaded, and external data files are not
        try:
            self._session = ort.InferenceSession(bundle.onnx, options, providers=["CPUExecutionProvider"])
        except ORT_ERRORS as error:
            raise ArtifactError("onnxruntime cannot run the model", where=bundle.path, got=error) from error

    def test(self, patches: int, expected: list[float], *, relative: bool = False) -> None:
        """Compare the first output for the golden bag with the known result.

        With `relative`, the tolerance is multiplied by results above 1.

        Raises: ArtifactError: it differs, or onnxruntime cannot run the model.
        """
        try:
            output = self._run(golden_bag(patches, self.facts.contract.feature_dim), golden_coords(patches))[0]
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

    def compute(
        self, features: NDArray[np.floating], coords: NDArray[Any] | None, provenance: Provenance
    ) -> SlideOutputs:
        """The outputs for one slide, computed as in the evaluation; arguments as of `Engine.predict`.

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
        outputs = self._run(bag[used], None if pixels is None else pixels[used])
        attention = outputs[self._names.index("attention")]
        if not (np.isfinite(outputs[0]).all() and np.isfinite(attention).all()):
            largest = f"values up to {np.abs(bag).max():.3g}"
            raise BadFeaturesError("the model's output for these features is not finite", got=largest)
        weights = np.zeros(len(bag), np.float32)
        weights[used] = attention
        in_training = self._training.contains(stored, provenance.slide_digest)
        notes += [self._training_note] if in_training else []
        similarity = self._similarity(bag[used])
        if similarity is not None and similarity.is_ood:
            notes.append(OOD_NOTE)
        return SlideOutputs(outputs, weights, len(bag), len(attention), in_training, similarity, tuple(notes))

    def _similarity(self, bag: NDArray[np.float32]) -> Similarity | None:
        """How much the slide is like the training slides; None if the bundle has no statistics of them."""
        facts = self.facts.similarity
        if self._statistics is None or facts is None or facts.limit is None:
            return None
        return Similarity(self._statistics.distance(bag), facts.limit)

    def _run(self, bag: NDArray[np.float32], pixels: NDArray[Any] | None) -> list[NDArray[Any]]:
        """The outputs of one bag."""
        feed = {"features": np.ascontiguousarray(bag)[None]}
        if self.facts.contract.coords == "required":
            assert pixels is not None, "validate_coords requires them"
            feed["coords"] = pixels.astype(np.float32)[None]
        outputs = self._session.run(list(self._names), feed)
        return [
            output[:, 0] if name.startswith("member_") else output[0]
            for name, output in zip(self._names, outputs, strict=True)
        ]


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


def _first_bad(bag: NDArray[np.floating]) -> str:
    rows = np.flatnonzero(~np.isfinite(bag).all(axis=1))
    return f"{len(rows)} patches, the first in row {rows[0]}"
