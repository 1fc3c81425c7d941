"""Weights of SpinPath's attention models, whatever the names of their layers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from oceanpath.artifacts.spinpath import CONFIG, SCRIPT
from oceanpath.cli.app import run_app
from oceanpath.errors import ArtifactError
from oceanpath.models.pretrained import load_pretrained
from oceanpath.models.spinpath import import_spinpath

VALUES = {
    "spec_version": "1.0",
    "type": "abmil",
    "num_classes": 2,
    "class_names": ["wildtype", "mutant"],
    "feature_extractor": "phikonv2",
    "patch_size_um": 128,
}


class Theirs(nn.Module):
    """Gated attention with names and an order of layers of its own; `gate` is the activation of the second branch."""

    def __init__(self, gate: nn.Module | None = None, attention: int = 4) -> None:
        super().__init__()
        self.classify = nn.Linear(5, 2)
        self.U, self.V = nn.Linear(5, attention), nn.Linear(5, attention)
        self.first, self.w = nn.Linear(6, 5), nn.Linear(attention, 1)
        self.gate = nn.Sigmoid() if gate is None else gate

    def embed(self, features: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.relu(self.first(features))
        scores = self.w(torch.tanh(self.V(hidden)) * self.gate(self.U(hidden)))
        attention = torch.softmax(scores, dim=0)
        return attention.T @ hidden, attention

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        embedding, attention = self.embed(features)
        return self.classify(embedding), attention


class OneOutput(Theirs):
    """Returns the logits alone."""

    def forward(self, features: Tensor) -> Tensor:  # type: ignore[override]  # the wrong interface
        logits: Tensor = self.classify(self.embed(features)[0])
        return logits[0, 0]


def write(folder: Path, model: nn.Module, **values: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(json.dumps({**VALUES, **values}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(model.eval(), torch.zeros(3, 6)), folder / SCRIPT)
    return folder


@pytest.mark.parametrize("attention", [4, 5], ids=["narrow", "as wide as the patches"])
@torch.no_grad()
def test_the_imported_model_has_their_embedding(tmp_path: Path, attention: int) -> None:
    torch.manual_seed(0)
    theirs = Theirs(attention=attention)
    import_spinpath(write(tmp_path / "m", theirs), tmp_path / "out.safetensors")
    aggregator, facts = load_pretrained(tmp_path / "out.safetensors")
    assert (facts.in_dim, facts.encoder, facts.patch_um, facts.method) == (6, "phikon_v2", 128.0, {"name": "spinpath"})
    features = torch.randn(11, 6)
    torch.testing.assert_close(aggregator.forward_features(features[None])[0], theirs.embed(features)[0])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Theirs(nn.ReLU()), "another function"),
        (nn.Linear(6, 2), "not a gated attention model"),
        (nn.Sequential(nn.LayerNorm(6), Theirs()), "not a gated attention model"),
        (OneOutput(), "cannot be run"),
    ],
    ids=["another gate", "one layer", "with a norm", "one output"],
)
def test_another_model_is_refused(tmp_path: Path, model: nn.Module, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        import_spinpath(write(tmp_path / "m", model), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"num_classes": 3}, "num_classes = 3, class_names"),
        ({"class_names": "ab"}, "class_names = 'ab'"),
        ({"patch_size_um": "128", "num_classes": True}, "num_classes = True; patch_size_um = '128'"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, values: dict[str, object], words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        import_spinpath(write(tmp_path / "m", Theirs(), **values), tmp_path / "out.safetensors")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = write(tmp_path / "m", Theirs(), feature_extractor="ctranspath"), tmp_path / "out.safetensors"
    assert run_app(["models", "import", "spinpath", str(folder), "--out", str(out)]) == 0
    assert "abmil for 6 features of ctranspath" in capsys.readouterr().out
    (folder / SCRIPT).write_bytes(b"nothing")
    assert run_app(["models", "import", "spinpath", str(folder), "--out", str(out)]) == 4
    (folder / CONFIG).unlink()
    assert run_app(["models", "import", "spinpath", str(folder), "--out", str(out)]) == 4
    assert run_app(["models", "import", "mil-lab", str(folder), "--out", str(out)]) == 2
    assert "--encoder" in capsys.readouterr().err
