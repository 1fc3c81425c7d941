"""Inference with a pretrained aggregator: the features of a slide → its embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.facts import EmbeddingFacts
from oceanpath.artifacts.bundle.folder import Bundle
from oceanpath.errors import ArtifactError
from oceanpath.serving.slide_engine import SlideEngine, SlidePrediction


@dataclass(frozen=True, kw_only=True)
class SlideEmbedding(SlidePrediction):
    """The embedding of one slide; `in_training` states whether the slide was used for the pretraining."""

    embedding: NDArray[np.float32]
    """[E]."""


class Embedder(SlideEngine[EmbeddingFacts, SlideEmbedding]):
    """A pretrained aggregator."""

    outputs = ("embedding", "attention")
    training_note = "this slide was used for the pretraining"
    dtype = np.float32
    has_members = False

    def accept(self, bundle: Bundle) -> EmbeddingFacts:
        """Raises: ArtifactError: the model gives no embeddings."""
        if not isinstance(bundle.facts, EmbeddingFacts):
            raise ArtifactError("the model of this bundle gives no embeddings", where=bundle.path)
        return bundle.facts

    def interpret(self, outputs: list[NDArray[Any]], shared: dict[str, Any]) -> SlideEmbedding:
        """The embedding."""
        return SlideEmbedding(embedding=outputs[0], **shared)

    @property
    def columns(self) -> Sequence[str]:
        """embedding_<k>."""
        return [f"embedding_{k}" for k in range(self.facts.embed_dim)]

    def describe(self, prediction: SlideEmbedding) -> dict[str, Any]:
        """See `oceanpath.serving.responses.EmbeddingAnswer`."""
        return {"embedding": prediction.embedding.tolist()}
