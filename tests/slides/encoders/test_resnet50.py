"""ResNet-50 up to its third stage."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from oceanpath.errors import ArtifactError
from oceanpath.slides.encoders import build_encoder
from oceanpath.slides.encoders.contract import check_contract, tissue_like
from oceanpath.slides.encoders.spec import EncoderOptions
from oceanpath.slides.encoders.torch_encoder import TorchEncoder, network_view


def test_features_are_timms_of_the_same_file(timm: ModuleType, tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = timm.create_model("resnet50", num_classes=1000)
    torch.save(whole.state_dict(), tmp_path / "r.pth")
    encoder = build_encoder("resnet50_trunc", "cpu", EncoderOptions(weights=tmp_path / "r.pth", precision="float32"))
    assert isinstance(encoder, TorchEncoder)
    assert (encoder.name, encoder.dim) == ("resnet50", 1024)
    assert not [check for check in check_contract(encoder, 224) if not check.passed]
    maps = timm.create_model("resnet50", features_only=True, out_indices=[3]).eval()
    maps.load_state_dict(whole.state_dict(), strict=False)
    patches = tissue_like(2, 256)
    with torch.inference_mode():
        theirs = maps(network_view(torch.from_numpy(patches), encoder._view))[0].mean(dim=(2, 3)).numpy()
    assert np.abs(encoder.encode(patches) - theirs).max() < 2e-3 * np.abs(theirs).max()


def test_another_resnet_is_refused(timm: ModuleType, tmp_path: Path) -> None:
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "r.pth")
    with pytest.raises(ArtifactError, match=r"do not fit resnet50; got missing layer1\.0\.conv3\.weight"):
        build_encoder("resnet50", "cpu", EncoderOptions(weights=tmp_path / "r.pth"))
