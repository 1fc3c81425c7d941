"""Files of weights: nothing in them is executed, nothing is half loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from oceanpath.errors import ArtifactError
from oceanpath.slides.encoders.checkpoint import load_weights, read_state


class Harmful:
    """Content of a malicious file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("executed",)


def test_three_formats_of_a_state(tmp_path: Path) -> None:
    state = nn.Linear(3, 2).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.bin")
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "c.pth")
    for name in ("a.safetensors", "b.bin", "c.pth"):
        assert all(torch.equal(read_state(tmp_path / name)[key], value) for key, value in state.items())


def test_a_file_that_would_execute_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"weight": Harmful()}, tmp_path / "evil.pth")
    with pytest.raises(ArtifactError, match=r"evil\.pth: the weights file contains more than tensors"):
        read_state(tmp_path / "evil.pth")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.bin"])
def test_a_truncated_file_is_damaged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    save_file({"w": torch.zeros(100)}, path) if name.endswith("safetensors") else torch.save(torch.zeros(100), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ArtifactError, match=rf"{name}: the weights file cannot be read"):
        read_state(path)


def test_other_content_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ArtifactError, match="not a mapping of tensors; expected name → tensor, got a list"):
        read_state(tmp_path / "list.pth")


def test_a_prefix_of_names_is_explained(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    state = {f"module.{name}": value for name, value in network.state_dict().items()}
    with pytest.raises(ArtifactError, match=r"missing weight, bias; unexpected module\.weight.*start with 'module\.'"):
        load_weights(network, state, "x", tmp_path)


def test_a_meta_network_uses_the_tensors_and_counters_may_be_missing(tmp_path: Path) -> None:
    with torch.device("meta"):
        network = nn.Linear(3, 2)
    load_weights(network, nn.Linear(3, 2).half().state_dict(), "x", tmp_path)
    assert network.weight.dtype == torch.float32 and not network.weight.is_meta
    norm, state = nn.BatchNorm1d(2), nn.BatchNorm1d(2).state_dict()
    del state["num_batches_tracked"]
    load_weights(norm, {name: value + 1 for name, value in state.items()}, "x", tmp_path)
    assert norm.running_mean is not None and norm.running_mean.tolist() == [1, 1]
