"""Aggregators as torch modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oceanpath.models.registry import build_aggregator as build
from oceanpath.models.registry import parse_model

if TYPE_CHECKING:
    from oceanpath.models.base import BaseMIL


def build_aggregator(name: str, in_dim: int, **keys: Any) -> BaseMIL:
    """A freshly initialised aggregator; `oceanpath models list` shows the names and their keys.

        >>> import torch
        >>> import oceanpath as op
        >>> model = op.build_aggregator("abmil", in_dim=1024, dropout=0.0)
        >>> embedding, attention = model.forward_features(torch.zeros(2, 5, 1024), return_attention=True)
        >>> embedding.shape, attention.shape
        (torch.Size([2, 256]), torch.Size([2, 5]))

    Args:
        name: Name of the aggregator.
        in_dim: Length D of a patch feature.
        keys: Further keys of `[model]`.

    Raises: ExperimentError: an unknown name or key, or a value that is not valid.
    """
    return build(parse_model({"name": name, **keys}), in_dim)
