from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from oceanpath.errors import ArtifactError
from oceanpath.fit.checkpoint import load_checkpoint, save_checkpoint
from oceanpath.fit.objectives.classification import ClassificationObjective
from oceanpath.fit.objectives.losses import build_loss
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.settings import ABMILSettings, StaticSettings
from oceanpath.tasks.classification import Classification

OBJECTIVE = ClassificationObjective(Classification(["no", "yes"]), build_loss("ce"))


def classifier(seed: int = 0) -> WSIClassifier:
    torch.manual_seed(seed)
    return WSIClassifier(ABMILSettings(hidden=8, attention=4), 6, ["no", "yes"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(classifier(), OBJECTIVE, tmp_path / "best.ckpt")
    return tmp_path / "best.ckpt"


def altered(path: Path, **changes: object) -> Path:
    torch.save(torch.load(path, weights_only=True) | changes, path)
    return path


@torch.no_grad()
def test_what_is_saved_is_loaded(path: Path) -> None:
    (loaded, objective), h = load_checkpoint(path), torch.randn(2, 5, 6)
    assert not loaded.training
    assert loaded.outputs == ("no", "yes")
    assert objective.task.record() == {"classes": ["no", "yes"]}
    assert loaded.settings == ABMILSettings(hidden=8, attention=4)
    assert torch.equal(loaded(h), classifier().eval()(h))


def test_equal_weights_give_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    written = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / folder).mkdir()
        save_checkpoint(classifier(seed), OBJECTIVE, tmp_path / folder / "best.ckpt")
        written.append((tmp_path / folder / "best.ckpt").read_bytes())
    assert written[0] == written[1] != written[2]


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "cut", "list"])
def test_damage_is_an_artifact_error_that_names_the_file(path: Path, damage: str) -> None:
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "list":
        torch.save([1, 2], path)
    else:
        path.write_bytes({"empty": b"", "garbage": b"\x00" * 999, "cut": whole[: len(whole) // 2]}[damage])
    with pytest.raises(ArtifactError, match=r"best\.ckpt"):
        load_checkpoint(path)


def test_another_format_is_refused(path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"unknown checkpoint format; expected format 1"):
        load_checkpoint(altered(path, format=2))


def test_weights_that_do_not_fit_are_refused_never_left_random(path: Path) -> None:
    state = torch.load(path, weights_only=True)["state"]
    state.pop("head.weight")
    with pytest.raises(ArtifactError, match=r"do not match its settings.*head\.weight"):
        load_checkpoint(altered(path, state=state))
    with pytest.raises(ArtifactError, match="do not match its settings"):
        load_checkpoint(altered(path, model=StaticSettings(hidden=8).model_dump(mode="json")))
    with pytest.raises(ArtifactError, match="unknown aggregator"):
        load_checkpoint(altered(path, model={"name": "gone"}))


class _Runs:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.trace,))


def test_loading_runs_no_code(tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_bytes(pickle.dumps(_Runs(tmp_path / "trace"), protocol=2))
    with pytest.raises(ArtifactError):
        load_checkpoint(tmp_path / "best.ckpt")
    torch.save({"format": _Runs(tmp_path / "trace")}, tmp_path / "best.ckpt")
    with pytest.raises(ArtifactError):
        load_checkpoint(tmp_path / "best.ckpt")
    assert not (tmp_path / "trace").exists()


def test_the_keys_of_another_format_are_listed_in_order(path: Path) -> None:
    torch.save({"b": 1, "a": 2}, path)
    with pytest.raises(ArtifactError, match=r"unknown checkpoint format.*got \[?'?a.*b"):
        load_checkpoint(path)
    torch.save([1], path)
    with pytest.raises(ArtifactError, match=r"unknown checkpoint format.*got list"):
        load_checkpoint(path)
