"""Encoders whose network timm builds: the foundation models that are Vision Transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from oceanpath.slides.encoders.card import Card, EncoderOptions
from oceanpath.slides.encoders.checkpoint import fill, read_state
from oceanpath.slides.encoders.device import place
from oceanpath.slides.encoders.timm_library import import_timm
from oceanpath.slides.encoders.torch_encoder import TorchEncoder
from oceanpath.slides.encoders.weights import find_weights


def build(card: Card, device: str, options: EncoderOptions) -> TorchEncoder:
    """The encoder with its published weights, or with those of `options.weights`.

    Raises:
        ExperimentError: no such device or file.
        MissingExtraError: timm, or for a download huggingface-hub, is not installed.
        StageError: the weights cannot be downloaded.
        ArtifactError: the weights are damaged, or another network's.
    """
    where = place(device)
    network = network_of(card)
    weights = find_weights(card, options)
    fill(network, fitted(network, read_state(weights.path)), card.name, weights.path)
    return TorchEncoder(card, network, where, options.precision, weights)


def network_of(card: Card, **other: Any) -> nn.Module:
    """The network of a card with random weights; `other` arguments replace the card's."""
    timm = import_timm(card.name)
    arguments = {"num_classes": 0, **card.arguments, **other}
    if "mlp_layer" in arguments:  # the table names classes of timm, which it must not import
        arguments["mlp_layer"] = getattr(timm.layers, arguments["mlp_layer"])
    network: nn.Module = timm.create_model(card.architecture, pretrained=False, **arguments)
    return network


def fitted(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` as timm would load it: position embeddings of another image size are resampled."""
    from timm.models.vision_transformer import checkpoint_filter_fn

    found: dict[str, Tensor] = checkpoint_filter_fn(dict(state), network)
    return found
