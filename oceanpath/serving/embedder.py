"""Inference with a pretrained aggregator: the features of a slide → its embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.facts import EmbeddingFacts
from oceanpath.artifacts.bundle.folder import Bundle
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.errors import ArtifactError
from oceanpath.serving.engine import Engine
from oceanpath.serving.session import Session, Similarity
from oceanpath.serving.value_engine import ValueEngine

OUTPUTS = ("embedding", "attention")
TRAINING_NOTE = "this slide was used for the pretraining"


@dataclass(frozen=True)
class SlideEmbedding:
    """The embedding of one slide."""

    embedding: NDArray[np.float32]
    """[E]."""
    attention: NDArray[np.float32]
    """[N], non-negative, sums to 1, in the order of the input; 0 for patches that the cap excludes."""
    n_patches: int
    n_used: int
    in_training: bool
    """Whether the slide was used for the pretraining."""
    similarity: Similarity | None
    """Whether the slide is unlike the training slides; None if the bundle has no statistics of them."""
    notes: tuple[str, ...]
    model_digest: str


class Embedder:
    """A verified bundle of a pretrained aggregator, ready for inference. Thread-safe."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Raises: ArtifactError: the model cannot be run, or gives no embeddings."""
        if not isinstance(bundle.facts, EmbeddingFacts):
            raise ArtifactError("the model of this bundle gives no embeddings", where=bundle.path)
        self.facts: EmbeddingFacts = bundle.facts
        self._session = Session(bundle, OUTPUTS, TRAINING_NOTE, threads)
        self._session.test(self.facts.golden.patches, self.facts.golden.embedding)

    def predict(
        self, features: NDArray[np.floating], coords: NDArray[Any] | None = None, provenance: Provenance = UNKNOWN
    ) -> SlideEmbedding:
        """The embedding of one slide; arguments and errors as of `Engine.predict`."""
        slide = self._session.compute(features, coords, provenance)
        facts = (slide.n_patches, slide.n_used, slide.in_training, slide.similarity, slide.notes, self.facts.digest)
        return SlideEmbedding(slide.outputs[0], slide.attention, *facts)


AnyEngine = Engine | Embedder | ValueEngine


def open_bundle(bundle: Bundle, threads: int | None = None) -> AnyEngine:
    """The engine for the model of a bundle. Raises: ArtifactError: the model cannot be run."""
    if isinstance(bundle.facts, ValueFacts):
        return ValueEngine(bundle, threads)
    is_embedding = isinstance(bundle.facts, EmbeddingFacts)
    return Embedder(bundle, threads) if is_embedding else Engine(bundle, threads)
