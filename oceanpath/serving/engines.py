"""The engine of every kind of model, by the contents of bundle.json."""

from __future__ import annotations

from oceanpath.artifacts.bundle.facts import BundleFacts, EmbeddingFacts, ModelFacts
from oceanpath.artifacts.bundle.folder import Bundle
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.serving.embedder import Embedder
from oceanpath.serving.engine import Engine
from oceanpath.serving.slide_engine import AnyEngine
from oceanpath.serving.value_engine import ValueEngine

ENGINES: dict[type[ModelFacts], type[AnyEngine]] = {
    BundleFacts: Engine,
    ValueFacts: ValueEngine,
    EmbeddingFacts: Embedder,
}


def open_bundle(bundle: Bundle, threads: int | None = None) -> AnyEngine:
    """The engine for the model of a bundle. Raises: ArtifactError: the model cannot be run."""
    return ENGINES[type(bundle.facts)](bundle, threads)
