"""`oceanpath bundle` and `oceanpath export --checkpoint`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from oceanpath.cli.app import run_app
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.serving.engine import Engine
from oceanpath.tasks.classification import Classification

DIM = 6
CLASSES = ["low", "middle", "high"]
QUICK = ("--set", 'export.formats=["onnx"]', "--set", "export.parity_patches=[1,17]")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "best.ckpt"
    model = WSIClassifier(parse_model({"name": "abmil", "hidden": 8, "attention": 4}), DIM, CLASSES)
    save_checkpoint(model, read_objective(Classification(CLASSES), {}), path)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    out = checkpoint.parent / "bundle"
    words = ["--checkpoint", str(checkpoint), "--output-dir", str(out), "--feature-dim", str(DIM)]
    assert run_app(["export", *words, *QUICK]) == 0
    return out


def test_the_bundle_of_a_checkpoint_predicts_as_the_model(checkpoint, exported):
    from oceanpath.fit.checkpoint import load_checkpoint

    bag = np.random.default_rng(1).standard_normal((9, DIM)).astype(np.float32)
    with torch.inference_mode():
        logits = load_checkpoint(checkpoint).model(torch.from_numpy(bag)[None])[0]
    prediction = Engine.load(exported, threads=1).predict(bag)
    assert np.abs(prediction.probabilities - torch.softmax(logits, 0).numpy()).max() < 1e-5
    assert (prediction.decision, prediction.similarity) == (None, None)


def test_the_card_says_that_nothing_was_evaluated(exported, capsys):
    assert run_app(["bundle", "show", str(exported)]) == 0
    shown = capsys.readouterr().out
    assert "Trained on | not recorded" in shown
    assert "exported from a checkpoint alone" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--checkpoint", "{checkpoint}", "--output-dir", "{new}", "--feature-dim", "7"], "--feature-dim 6, got 7"),
        (["--checkpoint", "{checkpoint}", "--output-dir", "{exported}"], "not empty"),
        (["--checkpoint", "{checkpoint}"], "needs a folder"),
        (["--output-dir", "{new}"], "need a checkpoint"),
        (["--checkpoint", "{exported}/model.onnx", "--output-dir", "{new}"], "cannot be read as a checkpoint"),
    ],
)
def test_what_is_wrong_is_named(words, message, checkpoint, exported, tmp_path, capsys):
    named = {"checkpoint": checkpoint, "exported": exported, "new": tmp_path / "new"}
    assert run_app(["export", *(word.format(**named) for word in words), *QUICK]) in (2, 4)
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("new/*"))


def test_verify_lists_files_and_comparisons(exported, capsys):
    assert run_app(["bundle", "verify", str(exported), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["files"]) == {path.name for path in exported.iterdir()}
    assert [case["patches"] for case in report["parity"]] == [1, 17]
    assert run_app(["bundle", "verify", str(exported)]) == 0
    assert capsys.readouterr().out.count("matches") == len(report["files"])


def test_a_damaged_bundle_is_exit_code_4(exported, tmp_path, capsys):
    for file in exported.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "MODEL_CARD.md").write_text("another card")
    for verb in ("verify", "show"):
        assert run_app(["bundle", verb, str(tmp_path)]) == 4
        assert "MODEL_CARD.md: a file differs from its digest" in capsys.readouterr().err


def test_diff_prints_the_keys_that_differ(exported, checkpoint, tmp_path, capsys):
    words = ["--checkpoint", str(checkpoint), "--output-dir", str(tmp_path / "b"), "--set", 'export.title="Other"']
    assert run_app(["export", *words, *QUICK]) == 0
    capsys.readouterr()
    assert run_app(["bundle", "diff", str(exported), str(tmp_path / "b"), "--json"]) == 0
    differences = json.loads(capsys.readouterr().out)
    assert differences["name"] == ["abmil", "Other"]
    assert set(differences) == {"name", "files.MODEL_CARD.md"}, "the same weights give the same model file"
    assert run_app(["bundle", "diff", str(exported), str(exported)]) == 0
    assert "same contents" in capsys.readouterr().out
