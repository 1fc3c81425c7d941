"""The model of a bundle as SpinPath runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oceanpath.artifacts.bundle import folder as bundles
from oceanpath.artifacts.spinpath import CONFIG, SCRIPT
from oceanpath.cli.app import run_app
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.models.spinpath import load_script
from oceanpath.serving.engine import Engine
from oceanpath.stages.export import spinpath
from oceanpath.stages.export.spinpath import write_spinpath
from oceanpath.stages.export.torchscript_file import to_torchscript, trace

from .conftest import CLASSES, DIM, Toy


@pytest.fixture
def with_script(bundle_path: Path, toy: Toy, tmp_path: Path) -> Path:
    shutil.copytree(bundle_path, tmp_path / "bundle")
    (tmp_path / "bundle" / bundles.TORCHSCRIPT).write_bytes(to_torchscript(toy, DIM))
    bundles.seal(tmp_path / "bundle", bundles.read_facts(bundle_path))
    return tmp_path / "bundle"


def change(bundle: Path, **contract: Any) -> Path:
    facts = bundles.read_facts(bundle)
    bundles.seal(bundle, facts.model_copy(update={"contract": facts.contract.model_copy(update=contract)}))
    return bundle


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_their_softmax_gives_the_served_probabilities(with_script: Path, tmp_path: Path, bag, dtype: str) -> None:
    engine = Engine.load(change(with_script, dtype=dtype, encoder="uni_v1"))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_spinpath(with_script, tmp_path / name)
    assert (tmp_path / "a" / SCRIPT).read_bytes() == (tmp_path / "b" / SCRIPT).read_bytes()
    config = json.loads((tmp_path / "a" / CONFIG).read_text())
    assert config == {
        "spec_version": "1.0",
        "num_classes": 2,
        "class_names": CLASSES,
        "feature_extractor": "uni",
        "patch_size_um": 128.0,
    }
    script, rows = load_script(tmp_path / "a" / SCRIPT), 1.001 * bag
    for features in (rows, rows[:1]):
        with torch.inference_mode():
            logits, attention = script(torch.from_numpy(features))
        served = engine.predict(features)
        np.testing.assert_allclose(logits.softmax(1)[0], served.probabilities, atol=1e-6)
        np.testing.assert_allclose(attention, served.attention, atol=1e-6)


@pytest.mark.parametrize(
    ("contract", "words"),
    [({"coords": "required"}, "reads coordinates"), ({"target_mpp": None, "encoder": ""}, "unknown; the encoder")],
)
def test_models_that_spinpath_cannot_run_are_refused(with_script: Path, tmp_path: Path, contract, words) -> None:
    with pytest.raises(ExperimentError, match=words):
        write_spinpath(change(with_script, **contract), tmp_path)
    assert not (tmp_path / SCRIPT).exists()


class OneWrongLogit(nn.Module):
    """Only the logit of the last class differs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        logits, attention = self.model(features)
        return logits + torch.tensor([0.0, 0.1]), attention


def test_one_wrong_probability_is_refused(with_script: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(spinpath, "trace", lambda model, example: trace(OneWrongLogit(model).eval(), example))
    (tmp_path / "out").mkdir()
    with pytest.raises(ArtifactError, match="gives other probabilities than the bundle"):
        write_spinpath(change(with_script, encoder="uni_v1"), tmp_path / "out")


def test_the_command(with_script: Path, bundle_path: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert run_app(["bundle", "export-spinpath", str(with_script), "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}: labels NR, R; patches of 128 µm\n" and "toy_encoder" in printed.err
    assert run_app(["bundle", "export-spinpath", str(with_script), "--out", str(out)]) == 2
    assert run_app(["bundle", "export-spinpath", str(bundle_path), "--out", str(tmp_path / "new")]) == 2
    assert "not empty" in (errors := capsys.readouterr().err) and "export.formats" in errors
