"""The features of one slide, checked and evaluated in blocks of patches that may arrive one after the other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.serving.blocks import BLOCK, BlockRun
from oceanpath.serving.contract import sample_rows, validate_coords, validate_features, validate_provenance
from oceanpath.serving.errors import BadFeaturesError
from oceanpath.serving.evaluated_features import EvaluatedFeatures
from oceanpath.serving.session import Session
from oceanpath.serving.stored_rows import Features, in_blocks

OOD_NOTE = "the slide is unlike the training slides (out of distribution), so its prediction may be wrong"


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


@dataclass(frozen=True, kw_only=True)
class SlideFacts:
    """What is known of every slide after the model was evaluated, whatever it predicts."""

    attention: NDArray[np.float32]
    """[N], non-negative, sums to 1, in the order of the input; 0 for patches that the cap excludes."""
    n_patches: int
    n_used: int
    """Patches that the model used: fewer if the contract has a cap."""
    in_training: bool
    """Whether the slide was part of the training cohort."""
    similarity: Similarity | None
    """Whether the slide is unlike the training slides; None if the bundle has no statistics of them."""
    notes: tuple[str, ...]
    """What could not be compared with the contract, and which patches were not used."""
    contributions: NDArray[np.float64] | None = None
    """[M, N, K]: what each patch adds to the outputs of the members; None if it was not requested, or if the model is
    not a sum over patches."""


@dataclass(frozen=True, kw_only=True)
class SlideOutputs(SlideFacts):
    """The outputs of the model for one slide."""

    outputs: list[NDArray[Any]]
    """In the order of the names, without the axis of the batch."""


class SlideRun:
    """One slide of `n` patches. Its patches are added in their order, by one thread at a time."""

    def __init__(
        self,
        session: Session,
        n: int,
        coords: NDArray[Any] | None,
        provenance: Provenance,
        *,
        explains: bool = False,
    ) -> None:
        """With `explains`, contributions of patches are computed too.

        Raises: RequestError: coordinates or provenance do not meet the contract.
        """
        contract = session.facts.contract
        self._session, self._n, self._provenance = session, n, provenance
        self._notes = validate_provenance(contract, provenance)
        self._pixels = validate_coords(contract, coords, n)
        exceeds_cap = contract.bag_cap is not None and n > contract.bag_cap.max_patches
        self._explains = explains
        self._pooling = None if session.blocks is None or exceeds_cap else BlockRun(session.blocks, explains=explains)
        self._read = EvaluatedFeatures(contract.dtype)
        self._bag = np.empty((0, contract.feature_dim), np.float32)
        self._sums = np.zeros(contract.feature_dim)
        self._matched = np.zeros(session.training.bags.shape, bool)
        self.seconds = 0.0
        """Time for all work so far."""

    @property
    def is_pooled(self) -> bool:
        """Whether patches are pooled when they are added; otherwise they are collected."""
        return self._pooling is not None

    def add(self, features: NDArray[np.floating]) -> None:
        """The next patches [m, D], of any floating dtype."""
        began, start = time.perf_counter(), self._read.rows
        stored, bag = self._read.add(features)
        if self._read.is_finite:
            self._matched |= self._session.training.match(stored)
            self._keep(bag, start)
        self.seconds += time.perf_counter() - began

    def _keep(self, bag: NDArray[np.float32], start: int) -> None:
        """Pool or collect the patches from number `start` on."""
        if self._pooling is not None:
            self._pooling.add(bag)
            if self._session.statistics is not None:
                self._sums += bag.sum(axis=0, dtype=np.float64)
        elif len(bag) == self._n:
            self._bag = bag
        else:
            self._bag = self._bag if start else np.empty((self._n, bag.shape[1]), np.float32)
            self._bag[start : start + len(bag)] = bag

    def finish(self) -> SlideOutputs:
        """The outputs for all patches. Raises: RequestError: the features do not meet the contract."""
        began, notes = time.perf_counter(), self._notes
        self._read.require_finite()
        cap, slide_id = self._session.facts.contract.bag_cap, self._provenance.slide_id
        rows = sample_rows(cap, self._n, self._pixels, slide_id)
        if rows is not None:
            sampled = f"{len(rows)} of {self._n} patches were used, sampled by the slide id {slide_id}"
            notes = [*notes, f"the model's cap: {sampled}"]
        used = slice(None) if rows is None else rows
        outputs, mean = self._outputs(used)
        attention = self._session.attention_of(outputs)
        if not (np.isfinite(outputs[0]).all() and np.isfinite(attention).all()):
            largest = f"values up to {self._read.largest:.3g}"
            raise BadFeaturesError("the model's output for these features is not finite", got=largest)
        weights = np.zeros(self._n, np.float32)
        weights[used] = attention
        in_training = self._session.training.recognise(self._matched, self._provenance.slide_digest)
        notes = [*notes, *([self._session.training_note] if in_training else [])]
        similarity = self._similarity(mean)
        notes += [OOD_NOTE] if similarity is not None and similarity.is_ood else []
        self.seconds += time.perf_counter() - began
        return SlideOutputs(
            outputs=outputs,
            attention=weights,
            n_patches=self._n,
            n_used=len(attention),
            in_training=in_training,
            similarity=similarity,
            notes=tuple(notes),
            contributions=self._contributions(used),
        )

    def _contributions(self, used: slice | NDArray[np.int64]) -> NDArray[np.float64] | None:
        """The contributions of all patches; 0 for those that the cap excludes."""
        parts = None if self._pooling is None else self._pooling.contributions()
        if parts is None:
            return None
        contributions = np.zeros((len(parts), self._n, parts.shape[2]))
        contributions[:, used] = parts
        return contributions

    def _outputs(self, used: slice | NDArray[np.int64]) -> tuple[list[NDArray[Any]], NDArray[np.float64]]:
        """The outputs for these patches, and the mean of their features."""
        if self._pooling is not None:
            return self._session.without_batch(self._pooling.outputs()), self._sums / self._n
        bag, pixels = self._bag[used], None if self._pixels is None else self._pixels[used]
        mean = self._sums if self._session.statistics is None else bag.mean(axis=0, dtype=np.float64)
        if self._session.blocks is None:
            return self._session.run(bag, pixels), mean
        self._pooling = BlockRun(self._session.blocks, explains=self._explains)
        self._pooling.add_all(bag)
        return self._session.without_batch(self._pooling.outputs()), mean

    def _similarity(self, mean: NDArray[np.float64]) -> Similarity | None:
        """How much the slide is like the training slides; None if the bundle has no statistics of them."""
        facts, statistics = self._session.facts.similarity, self._session.statistics
        if statistics is None or facts is None or facts.limit is None:
            return None
        return Similarity(float(statistics.distances(mean[None])[0]), facts.limit)


def run_slide(
    session: Session,
    features: Features,
    coords: NDArray[Any] | None,
    provenance: Provenance,
    *,
    explains: bool = False,
) -> SlideOutputs:
    """The outputs for one slide, computed as in the evaluation; arguments as of `SlideEngine.predict`.

    Raises: RequestError: the features do not meet the contract.
    """
    validate_features(session.facts.contract, features)
    slide = SlideRun(session, features.shape[0], coords, provenance, explains=explains)
    for block in in_blocks(features, BLOCK if slide.is_pooled else features.shape[0]):
        slide.add(block)
    return slide.finish()
