"""Encoders whose network timm builds: foundation models that are Vision Transformers."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from oceanpath.slides.encoders.checkpoint import load_weights, read_state
from oceanpath.slides.encoders.device import resolve_device
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.slides.encoders.timm_library import import_timm
from oceanpath.slides.encoders.torch_encoder import TorchEncoder
from oceanpath.slides.encoders.transformers_names import renamed
from oceanpath.slides.encoders.weights import find_weights


def build(spec: EncoderSpec, device: str, options: EncoderOptions) -> TorchEncoder:
    """The encoder with its published weights, or with those of `options.weights`.

    Raises:
        ExperimentError: no such device or file.
        MissingExtraError: timm, or for a download huggingface-hub, is not installed.
        StageError: the weights cannot be downloaded.
        ArtifactError: the weights are damaged, or belong to a different network.
    """
    where = resolve_device(device)
    import_timm(spec.name)  # before a download of gigabytes
    weights = find_weights(spec, options)
    with torch.device("meta"):
        network = network_of(spec)
    load_weights(network, fit_state(network, read_state(weights.path), spec.names), spec.name, weights.path)
    return TorchEncoder(spec, network, where, options.precision, weights)


def network_of(spec: EncoderSpec, **other: Any) -> nn.Module:
    """The network of a spec with random weights; `other` arguments replace those of the spec."""
    timm = import_timm(spec.name)
    arguments = {"num_classes": 0, **spec.arguments, **other}
    if "mlp_layer" in arguments:
        arguments["mlp_layer"] = getattr(timm.layers, arguments["mlp_layer"])
    if "norm_eps" in arguments:
        arguments["norm_layer"] = partial(nn.LayerNorm, eps=arguments.pop("norm_eps"))
    network: nn.Module = timm.create_model(spec.architecture, pretrained=False, **arguments)
    return network


def fit_state(network: nn.Module, state: dict[str, Tensor], names: str) -> dict[str, Tensor]:
    """`state` with the names and sizes of `network`.

    Position embeddings for another image size are resampled as in the package of the published weights: timm with
    antialiasing, transformers without.
    """
    from timm.models.vision_transformer import checkpoint_filter_fn

    timm_state = renamed(state) if names == "transformers" else dict(state)
    result: dict[str, Tensor] = checkpoint_filter_fn(timm_state, network, antialias=names == "timm")
    return result
