"""All encoders of the registry have the same properties."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from oceanpath.errors import ExperimentError
from oceanpath.slides.encoders import ENCODERS, Encoder, build_encoder

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.*:UserWarning")


@pytest.fixture(scope="module", params=sorted(name for name, spec in ENCODERS.items() if spec.hub is None))
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return build_encoder(request.param, "cpu")


def patches(count: int, side: int = 256) -> np.ndarray:
    rng = np.random.default_rng(0)
    blocks = rng.integers(90, 250, (count, side // 8, side // 8, 3)).astype(np.uint8)
    return blocks.repeat(8, axis=1).repeat(8, axis=2)


def test_shape_type_and_registry_agree(encoder: Encoder) -> None:
    features = encoder.encode(patches(3))
    assert features.shape == (3, ENCODERS[encoder.name].dim) == (3, encoder.dim)
    assert features.dtype == np.float16 and np.isfinite(features).all()
    assert encoder.batch_size >= 1 and encoder.threads >= 1


def test_a_row_depends_only_on_its_patch(encoder: Encoder) -> None:
    batch = patches(6)
    together = encoder.encode(batch)
    assert np.array_equal(encoder.encode(batch[::-1].copy())[::-1], together)
    for i in (0, 5):
        assert np.array_equal(encoder.encode(batch[i : i + 1])[0], together[i])


def test_different_patches_have_different_features(encoder: Encoder) -> None:
    features = encoder.encode(patches(4)).astype(float)
    assert np.linalg.matrix_rank(features) == 4


def test_other_patch_sizes_are_supported(encoder: Encoder) -> None:
    assert encoder.encode(patches(2, 128)).shape == encoder.encode(patches(2, 512)).shape == (2, encoder.dim)


def test_folding_changes_features_only_by_rounding() -> None:
    from oceanpath.slides.encoders.efficientnet_lite0 import _folded, _load

    pixels = torch.from_numpy(patches(2, 224)).permute(0, 3, 1, 2).float().sub(127).div(128)
    with torch.inference_mode():
        plain, folded = (net.extract_features(pixels).mean((2, 3)) for net in (_load(), _folded(_load())))
    assert torch.allclose(plain, folded, atol=1e-4) and plain.std() > 0.05


def test_a_photograph_is_recognised() -> None:
    """Right weights, right normalisation: ImageNet's classifier recognises a flower from the features (985, daisy)."""
    from oceanpath.slides.encoders.efficientnet_lite0 import _load

    photo = Image.fromarray(load_sample_image("flower.jpg")).resize((224, 224), Image.Resampling.BILINEAR)
    features = build_encoder("efficientnet_lite0", "cpu").encode(np.asarray(photo)[None])
    classifier = _load()._fc
    with torch.inference_mode():
        assert int(classifier(torch.from_numpy(features).float()).argmax()) == 985


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(ExperimentError, match=r"got efficientnet_lite. Did you mean efficientnet_lite0\?"):
        build_encoder("efficientnet_lite")


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(ExperimentError, match=r"runtime\.device.*no such device"):
        build_encoder("efficientnet_lite0", "gpu7")


def test_the_registry_loads_neither_numpy_nor_torch() -> None:
    code = "import sys, oceanpath.slides.encoders; print(sorted({'numpy', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
