"""Files that transformers published, in networks of timm."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from oceanpath.errors import ArtifactError
from oceanpath.slides.encoders.contract import check_contract
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.slides.encoders.transformers_names import PARTS, renamed

Saved = Callable[..., tuple[EncoderSpec, Path]]
VIT_WORDS = {"attn.proj": "attention.output.dense", "norm1": "layernorm_before", "norm2": "layernorm_after",
             "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}  # fmt: skip
WHOLE = {"cls_token": "embeddings.cls_token", "pos_embed": "embeddings.position_embeddings",
         "patch_embed.proj": "embeddings.patch_embeddings.projection", "norm": "layernorm"}  # fmt: skip
ARGUMENTS: dict[str, dict[str, Any]] = {
    "phikon": {"intermediate_size": 384, "layer_norm_eps": 1e-12},
    "phikon_v2": {"patch_size": 16},
    "midnight12k": {"patch_size": 14, "use_swiglu_ffn": True},
}


def published(name: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state of timm under the names of transformers, with a head that no feature needs."""
    words = VIT_WORDS if name == "phikon" else {new: old for old, new in list(PARTS.items())[5:]}
    words |= {"attn.proj": "attention.output.dense"}
    if name == "phikon_v2":
        words |= {"mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
    result: dict[str, torch.Tensor] = {"pooler.dense.weight": torch.zeros(1)}
    for key, value in state.items():
        if not key.startswith("blocks."):
            stem = next(stem for stem in WHOLE if key in (stem, f"{stem}.weight", f"{stem}.bias"))
            result[WHOLE[stem] + key.removeprefix(stem)] = value
            continue
        _, number, rest = key.split(".", 2)
        if rest.startswith("attn.qkv"):
            for part, piece in zip(("query", "key", "value"), value.chunk(3), strict=True):
                end = rest.removeprefix("attn.qkv.")
                result[f"encoder.layer.{number}.attention.attention.{part}.{end}"] = piece.contiguous()
            continue
        stem = next(stem for stem in words if rest == stem or rest.rsplit(".", 1)[0] == stem)
        result[f"encoder.layer.{number}.{words[stem]}{rest.removeprefix(stem)}"] = value
    return result


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_tensor_is_renamed(saved: Saved, name: str) -> None:
    from oceanpath.slides.encoders import timm_networks

    spec, path = saved(name)
    state = load_file(path)
    theirs = published(name, state)
    assert {key: value.shape for key, value in renamed(theirs).items()} == {k: v.shape for k, v in state.items()}
    assert all(torch.equal(value, state[key]) for key, value in renamed(theirs).items())
    save_file(theirs, path)
    encoder = timm_networks.build(spec, "cpu", EncoderOptions(weights=path, precision="float32"))
    assert not [check for check in check_contract(encoder) if not check.passed]


def test_an_unknown_name_is_kept_and_refused(saved: Saved) -> None:
    from oceanpath.slides.encoders import timm_networks

    spec, path = saved("phikon")
    save_file({**published("phikon", load_file(path)), "encoder.layer.0.lora": torch.zeros(1)}, path)
    with pytest.raises(ArtifactError, match=r"unexpected encoder\.layer\.0\.lora"):
        timm_networks.build(spec, "cpu", EncoderOptions(weights=path))


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
@pytest.mark.parametrize("name", ARGUMENTS)
def test_tokens_are_those_of_transformers(timm: ModuleType, saved: Saved, name: str, tmp_path: Path) -> None:
    """Midnight's position embeddings are of 518 px: resampling agrees too."""
    import transformers

    from oceanpath.slides.encoders.checkpoint import load_weights, read_state
    from oceanpath.slides.encoders.timm_networks import fit_state, network_of

    kind, size = ("ViT" if name == "phikon" else "Dinov2"), (518 if name == "midnight12k" else 224)
    width = {"hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": size}
    theirs = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**width, **ARGUMENTS[name]))
    for value in theirs.parameters():
        torch.nn.init.normal_(value, std=0.1)
    theirs.eval().save_pretrained(tmp_path / name)
    spec = saved(name)[0]
    ours: Any = network_of(spec).eval()  # one of timm's classes
    load_weights(ours, fit_state(ours, read_state(tmp_path / name / "model.safetensors"), spec.names), name, tmp_path)
    pixels = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        assert torch.allclose(ours.forward_features(pixels), theirs(pixels).last_hidden_state, atol=1e-5)
