"""Published architectures, small and with saved weights: the contract of every encoder, and what must not pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from oceanpath.errors import ArtifactError
from oceanpath.slides.encoders.contract import check_contract, tissue_like
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.slides.encoders.torch_encoder import TorchEncoder
from oceanpath.slides.encoders.weights import LOCAL, hash_file

from ...narrowing import required

Saved = Callable[..., tuple[EncoderSpec, Path]]
SORTS = ["uni_v1", "uni_v2", "virchow2", "gigapath", "h0_mini", "kaiko_vits8"]


def build(spec: EncoderSpec, path: Path, precision: str = "float32") -> TorchEncoder:
    from oceanpath.slides.encoders import timm_networks

    return timm_networks.build(spec, "cpu", EncoderOptions(weights=path, precision=precision))


@pytest.mark.parametrize("name", SORTS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_architecture_passes_the_contract(saved: Saved, name: str, precision: str) -> None:
    spec, path = saved(name)
    encoder = build(spec, path, precision)
    assert not [check for check in check_contract(encoder) if not check.passed]
    assert (encoder.name, encoder.dim, encoder.revision) == (name, spec.dim, LOCAL)
    assert encoder.weights_sha256 == hash_file(path)


def test_a_row_is_the_same_bit_for_bit_whatever_its_batch_on_a_cpu(saved: Saved) -> None:
    encoder = build(*saved("uni_v2"))
    patches = tissue_like(5, 224)
    together = encoder.encode(patches)
    assert np.array_equal(encoder.encode(patches[::-1].copy())[::-1], together)
    assert np.array_equal(encoder.encode(patches[3:4])[0], together[3])


def test_bfloat16_is_float32_to_a_few_percent(saved: Saved) -> None:
    spec, path = saved("virchow2")
    patches = tissue_like(4, 224)
    exact, quick = (build(spec, path, kind).encode(patches).astype(float) for kind in ("float32", "bfloat16"))
    assert 0 < np.abs(exact - quick).max() < 0.05 * np.abs(exact).max()


def test_features_equal_those_of_timm_with_its_transform(saved: Saved) -> None:
    """Network, preprocessing and pooling together, against timm with nothing of ours."""
    import timm
    from PIL import Image

    spec, path = saved("gigapath")
    network = timm.create_model("vit_giant_patch14_dinov2", img_size=224, patch_size=16, num_classes=0, depth=2,
                                embed_dim=96, num_heads=3)  # fmt: skip
    network.load_state_dict(load_file(path), strict=True)
    view = required(spec.view)
    reported = {"input_size": (3, 224, 224), "interpolation": "bicubic", "crop_pct": 224 / 256, "mean": view.mean}
    transform = timm.data.create_transform(**reported, std=view.std)
    patches = tissue_like(3, 512)
    seen = torch.stack([transform(Image.fromarray(patch)) for patch in patches])
    with torch.inference_mode():
        theirs = network.eval()(seen).numpy()
    ours = build(spec, path).encode(patches).astype(np.float32)
    assert np.abs(ours - theirs).max() < 5e-3 * np.abs(theirs).max()


def test_position_embeddings_of_another_image_size_are_resampled(saved: Saved) -> None:
    spec, path = saved("kaiko_vitl14", img_size=518)
    assert load_file(path)["pos_embed"].shape == (1, 37 * 37, 96)
    usual = dataclasses.replace(spec, arguments={**spec.arguments, "img_size": 224})
    assert build(usual, path).encode(tissue_like(1, 224)).shape == (1, 96)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("blocks.1.attn.qkv.weight"), r"missing blocks\.1\.attn\.qkv\.weight"),
        (lambda state: state.update(head=torch.zeros(1)), "unexpected head"),
        (lambda state: state.update({"norm.weight": torch.zeros(5)}), r"shape norm\.weight \[5\] instead of \[96\]"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    saved: Saved, change: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    spec, path = saved("uni_v1")
    state = load_file(path)
    change(state)
    save_file(state, path)
    with pytest.raises(ArtifactError, match=f"{path.name}: the weights do not fit uni_v1; got {message}"):
        build(spec, path)


def test_half_precision_weights_become_float32(saved: Saved) -> None:
    spec, path = saved("uni_v1")
    save_file({name: value.half() for name, value in load_file(path).items()}, path)
    network = build(spec, path)._network
    assert {value.dtype for value in network.parameters()} == {torch.float32}
