"""Encoders whose network timm builds: the foundation models that are Vision Transformers."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from oceanpath.slides.encoders.checkpoint import fill, read_state
from oceanpath.slides.encoders.device import place
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.slides.encoders.timm_library import import_timm
from oceanpath.slides.encoders.torch_encoder import TorchEncoder
from oceanpath.slides.encoders.transformers_names import renamed
from oceanpath.slides.encoders.weights import find_weights


def build(card: EncoderSpec, device: str, options: EncoderOptions) -> TorchEncoder:
    """The encoder with its published weights, or with those of `options.weights`.

    Raises:
        ExperimentError: no such device or file.
        MissingExtraError: timm, or for a download huggingface-hub, is not installed.
        StageError: the weights cannot be downloaded.
        ArtifactError: the weights are damaged, or another network's.
    """
    where = place(device)
    import_timm(card.name)  # before a download of gigabytes
    weights = find_weights(card, options)
    with torch.device("meta"):
        network = network_of(card)
    fill(network, fitted(network, read_state(weights.path), card.names), card.name, weights.path)
    return TorchEncoder(card, network, where, options.precision, weights)


def network_of(card: EncoderSpec, **other: Any) -> nn.Module:
    """The network of a card with random weights; `other` arguments replace the card's."""
    timm = import_timm(card.name)
    arguments = {"num_classes": 0, **card.arguments, **other}
    if "mlp_layer" in arguments:
        arguments["mlp_layer"] = getattr(timm.layers, arguments["mlp_layer"])
    if "norm_eps" in arguments:
        arguments["norm_layer"] = partial(nn.LayerNorm, eps=arguments.pop("norm_eps"))
    network: nn.Module = timm.create_model(card.architecture, pretrained=False, **arguments)
    return network


def fitted(network: nn.Module, state: dict[str, Tensor], names: str) -> dict[str, Tensor]:
    """`state` as `network` names and sizes it.

    Position embeddings of another image size are resampled as the package that published them does: timm against
    aliasing, transformers without.
    """
    from timm.models.vision_transformer import checkpoint_filter_fn

    ours = renamed(state) if names == "transformers" else dict(state)
    found: dict[str, Tensor] = checkpoint_filter_fn(ours, network, antialias=names == "timm")
    return found
