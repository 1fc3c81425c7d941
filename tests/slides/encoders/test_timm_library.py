"""torchvision and timm with any build of torch."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from oceanpath.errors import MissingExtraError
from oceanpath.slides.encoders.timm_library import import_timm

IMPORT = """
import sys, torch
try:
    import torchvision
    said = "fits"
except RuntimeError as error:
    said = str(error)
from oceanpath.slides.encoders.timm_library import import_timm
from oceanpath.torchvision_import import _declared, import_torchvision
timm, torchvision = import_timm("x"), import_torchvision()
import torchvision.transforms.v2
assert torchvision is sys.modules["torchvision"] and import_torchvision() is torchvision
network = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1).eval()
print(said, len(_declared), tuple(network(torch.zeros(1, 3, 224, 224)).shape), sep="|")
"""


def test_timm_works_with_this_torch(timm: ModuleType) -> None:
    """Where the compiled half does not load, the schemas are declared once; where it does, they are not."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", IMPORT], capture_output=True, text=True, check=True)
    message, declared, shape = done.stdout.strip().split("|")
    assert shape == "(1, 192)"
    assert (message, declared) in (("fits", "0"), ("operator torchvision::nms does not exist", "1"))


@pytest.mark.parametrize("absent", ["torchvision", "timm"])
def test_a_missing_package_names_the_extra(absent: str, monkeypatch: pytest.MonkeyPatch, timm: ModuleType) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(
        MissingExtraError, match=rf"uni_v1 needs a package .* expected {absent}\. .*oceanpath\[encoders\]"
    ):
        import_timm("uni_v1")
