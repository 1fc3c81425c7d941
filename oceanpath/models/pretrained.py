"""Aggregators with pretrained weights."""

from __future__ import annotations

from pathlib import Path

import torch

from oceanpath.artifacts.pretrained import WeightFacts, read_weights
from oceanpath.errors import ArtifactError
from oceanpath.models.base import BaseMIL
from oceanpath.models.registry import build_aggregator, parse_model


def load_pretrained(path: Path) -> tuple[BaseMIL, WeightFacts]:
    """The aggregator of pretrained weights (aggregator.safetensors), in eval mode, and its facts.

    Raises: ArtifactError: the file is damaged, or its tensors are not those of its architecture.
    """
    facts, tensors = read_weights(path)
    aggregator = build_aggregator(parse_model(facts.model), facts.in_dim)
    try:
        aggregator.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    except RuntimeError as error:
        got = " ".join(str(error).split())  # torch's message has several lines
        raise ArtifactError("the weights do not match their settings", where=path, got=got) from error
    return aggregator.eval(), facts
