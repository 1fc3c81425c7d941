"""The TorchScript file of a small module."""

from __future__ import annotations

import io
import warnings
import zipfile

import pytest
import torch
from torch import nn

from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.stages.export.embedding import SlideEmbedder
from oceanpath.stages.export.ensemble import Ensemble
from oceanpath.stages.export.torchscript_file import to_torchscript

from .conftest import CLASSES, SMALL_ABMIL


class Scores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.requires_grad_(False).eval()

    def forward(self, features: torch.Tensor, coords: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self.layer(features)[..., 0]
        return scores, scores if coords is None else scores + coords[..., 0]


def test_equal_weights_give_equal_bytes_however_many_modules_were_traced_before() -> None:
    module = Scores()
    content = to_torchscript(module, 3)
    to_torchscript(Scores(), 3)
    assert to_torchscript(module, 3) == content
    assert to_torchscript(Scores(), 3) != content  # other weights


def test_the_archive_has_neither_traces_of_the_machine_nor_a_changing_name() -> None:
    with zipfile.ZipFile(io.BytesIO(to_torchscript(Scores(), 3))) as archive:
        names, infos = archive.namelist(), archive.infolist()
        contents = b"".join(map(archive.read, names))
    assert not any(name.endswith((".debug_pkl", "serialization_id")) for name in names)
    assert any(name.endswith("data.pkl") for name in names) and any(name.endswith(".py") for name in names)
    assert b"torch_mangle" not in contents and not any("torch_mangle" in name for name in names)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}, "torch maps the file into memory"


def test_the_inputs_are_those_of_the_model_and_any_number_of_patches() -> None:
    module, features = Scores(), torch.randn(2, 5, 3)
    plain = torch.jit.load(io.BytesIO(to_torchscript(module, 3)))
    assert torch.equal(plain(features)[0], module(features)[0])
    with_coords = torch.jit.load(io.BytesIO(to_torchscript(module, 3, coords=True)))
    coords = torch.arange(20.0).reshape(2, 5, 2)
    assert torch.equal(with_coords(features, coords)[1], module(features, coords)[1])


def test_exporting_gives_no_warning() -> None:
    class Shaped(Scores):
        def forward(
            self, features: torch.Tensor, coords: torch.Tensor | None = None
        ) -> tuple[torch.Tensor, torch.Tensor]:
            scores = super().forward(features, coords)
            return scores if features.shape[1] > 1 else scores[::-1]  # the tracer warns of the comparison

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_torchscript(Shaped(), 3)


@pytest.mark.parametrize("kind", ["ensemble", "embedder"])
def test_users_of_the_file_get_arrays_without_gradients(kind: str) -> None:
    """A tensor that requires a gradient cannot be turned into an array."""
    classifier = WSIClassifier(parse_model(SMALL_ABMIL), 4, CLASSES)
    module = Ensemble([classifier], [1.0]) if kind == "ensemble" else SlideEmbedder(classifier.aggregator)
    for part in torch.jit.load(io.BytesIO(to_torchscript(module, 4)))(torch.zeros(1, 4, 4)):
        assert not part.requires_grad
