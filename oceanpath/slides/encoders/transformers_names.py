"""Translate tensor names of Vision Transformers and DINOv2 in the package transformers to those of timm.

The networks are the same (Dosovitskiy et al. 2021; Oquab et al. 2024), so timm runs these encoders too and transformers
is not needed. Query, key and value are three matrices in transformers and one in timm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

UNUSED = ("pooler.", "embeddings.mask_token")
"""The pooler and the mask token, which do not affect features."""
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
"""Names within a layer; the first four are named differently in ViT than in DINOv2."""
LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)")
QUERY = re.compile(r"(encoder\.layer\.(\d+)\.attention\.attention\.)query\.(weight|bias)")


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` under timm's names; unknown names are kept, and rejected when they are loaded."""
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith(UNUSED):
            continue
        if query := QUERY.fullmatch(name):
            three = [state[f"{query[1]}{part}.{query[3]}"] for part in ("query", "key", "value")]
            result[f"blocks.{query[2]}.attn.qkv.{query[3]}"] = torch.cat(three)
        elif not re.search(r"\.attention\.attention\.(key|value)\.", name):
            result[_renamed(name)] = value
    return result


def _renamed(name: str) -> str:
    layer = LAYER.fullmatch(name)
    names, rest = (PARTS, layer[2]) if layer else (ENDS, name)
    for old, new in names.items():
        if rest == old or rest.removeprefix(old) in (".weight", ".bias"):
            rest = new + rest.removeprefix(old)
            return f"blocks.{layer[1]}.{rest}" if layer else rest
    return name
