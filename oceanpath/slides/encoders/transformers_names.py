"""Names of tensors as the package transformers publishes Vision Transformers and DINOv2, as timm's.

The networks are the same (Dosovitskiy et al. 2021; Oquab et al. 2024), so timm runs these encoders too and transformers
is not needed. Query, key and value, three matrices there, are one here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

UNUSED = ("pooler.", "embeddings.mask_token")
"""A head on top and the token of masked patches: no feature depends on them."""
ENDS = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "layernorm": "norm",
}
PARTS = {
    "attention.output.dense": "attn.proj",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "norm1": "norm1",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "mlp.weights_in": "mlp.fc1",
    "mlp.weights_out": "mlp.fc2",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
}
"""Within a layer; the first four with other words in ViT than in DINOv2."""
LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)")
QUERY = re.compile(r"(encoder\.layer\.(\d+)\.attention\.attention\.)query\.(weight|bias)")


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` under timm's names; a tensor with a name that is not known keeps it, for whoever loads it to refuse."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith(UNUSED):
            continue
        if query := QUERY.fullmatch(name):
            three = [state[f"{query[1]}{part}.{query[3]}"] for part in ("query", "key", "value")]
            found[f"blocks.{query[2]}.attn.qkv.{query[3]}"] = torch.cat(three)
        elif not re.search(r"\.attention\.attention\.(key|value)\.", name):
            found[_renamed(name)] = value
    return found


def _renamed(name: str) -> str:
    layer = LAYER.fullmatch(name)
    words, rest = (PARTS, layer[2]) if layer else (ENDS, name)
    for old, new in words.items():
        if rest == old or rest.removeprefix(old) in (".weight", ".bias"):
            rest = new + rest.removeprefix(old)
            return f"blocks.{layer[1]}.{rest}" if layer else rest
    return name
