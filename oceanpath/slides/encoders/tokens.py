"""Encoders whose network the package transformers builds: Vision Transformers and DINOv2 under its names of tensors.

The network is built from the card's arguments and filled strictly: nothing that a hub repository holds is executed.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from torch import Tensor, nn

from oceanpath.slides.encoders.card import Card, EncoderOptions
from oceanpath.slides.encoders.checkpoint import fill, read_state
from oceanpath.slides.encoders.device import place
from oceanpath.slides.encoders.timm_library import import_torchvision, wanting
from oceanpath.slides.encoders.torch_encoder import TorchEncoder
from oceanpath.slides.encoders.weights import find_weights

UNUSED = ("pooler.", "embeddings.mask_token")
"""Tensors that published files may hold and that no feature depends on: a head on top, the token of masked patches."""


class Tokens(nn.Module):
    """A network of transformers as a map from pixels [B, 3, H, W] to its last tokens [B, T, D]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """Tokens [B, T, D], class token first."""
        tokens: Tensor = self.network(pixel_values=pixels).last_hidden_state
        return tokens


def build(card: Card, device: str, options: EncoderOptions) -> TorchEncoder:
    """The encoder; raises as `oceanpath.slides.encoders.timm_networks.build` does, for the extra ``tokens``."""
    where = place(device)
    network = network_of(card)
    weights = find_weights(card, options)
    fill(network, fitted(network, read_state(weights.path)), card.name, weights.path)
    return TorchEncoder(card, Tokens(network), where, options.precision, weights)


def network_of(card: Card, **other: Any) -> nn.Module:
    """The network of a card with random weights; `other` arguments replace the card's.

    Raises: MissingExtraError: transformers is not installed.
    """
    with wanting(card.name, "tokens"):
        if importlib.util.find_spec("torchvision"):
            import_torchvision()  # transformers imports it where it is installed
        import transformers
    config = getattr(transformers, f"{card.architecture}Config")(**{**card.arguments, **other})
    model = getattr(transformers, f"{card.architecture}Model")
    network: nn.Module = model(config, add_pooling_layer=False) if card.architecture == "ViT" else model(config)
    return network


def fitted(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`state` without what no feature depends on, and with the network's own where it wants such a thing."""
    own = network.state_dict()
    used = {name: value for name, value in state.items() if not name.startswith(UNUSED)}
    return {**{name: own[name] for name in own if name.startswith(UNUSED)}, **used}
