"""Saved states of trainings: complete ones are restored, others start the training again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from oceanpath.errors import ArtifactError
from oceanpath.fit.saved_state import FORMAT, SavedTraining, load_state, read_state, save_state


class Part:
    """A part of a training."""

    def __init__(self, value: int) -> None:
        self.value = value

    def contents(self) -> dict[str, Any]:
        return {"value": self.value}

    def restore(self, contents: dict[str, Any]) -> None:
        self.value = contents["value"]


def test_all_parts_are_restored_from_a_state_that_contains_them(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    assert not SavedTraining(path, 0.0, a=Part(0)).restore()
    SavedTraining(path, 0.0, a=Part(1), b=Part(2)).save_if_due()
    one, both, other = Part(0), (Part(0), Part(0)), Part(7)
    assert SavedTraining(path, 0.0, a=one).restore() and one.value == 1
    assert SavedTraining(path, 0.0, a=both[0], b=both[1]).restore()
    assert [part.value for part in both] == [1, 2]
    assert not SavedTraining(path, 0.0, a=other, c=Part(0)).restore()
    assert other.value == 7, "no part is restored from a state without all of them"


def test_a_state_is_written_when_its_time_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("oceanpath.fit.saved_state.time.monotonic", lambda: now[0])
    part = Part(1)
    saved = SavedTraining(tmp_path / "state.pt", 60.0, a=part)
    for value, (seconds, written) in enumerate([(59.0, None), (60.0, 1), (119.0, 1), (120.0, 3)]):
        now[0], part.value = 100.0 + seconds, value
        saved.save_if_due()
        state = load_state(tmp_path / "state.pt")
        assert (state and state["a"]["value"]) == written
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_equal_states_have_equal_bytes_whatever_they_share(tmp_path: Path) -> None:
    tensor, text = torch.arange(3.0), "".join(["na", "me"])
    states = [{"x": [tensor, tensor], text: (1, None, True)}]
    states += [{"x": [tensor.clone(), tensor.clone()], "name": (1, None, True)}]
    written = []
    for state in states:
        save_state(tmp_path / "state.pt", state)
        written.append((tmp_path / "state.pt").read_bytes())
    assert written[0] == written[1]
    found = read_state(tmp_path / "state.pt")
    assert found["format"] == FORMAT and found["name"] == (1, None, True) and torch.equal(found["x"][1], tensor)


@pytest.mark.parametrize("contents", [{"format": FORMAT + 1}, {"a": 1}, [1, 2], "text"])
def test_another_format_is_an_error_and_starts_the_training_again(tmp_path: Path, contents: Any) -> None:
    path = tmp_path / "state.pt"
    torch.save(contents, path)
    with pytest.raises(ArtifactError, match="unknown checkpoint format"):
        read_state(path)
    assert load_state(path) is None
    path.write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_state(path)
    assert load_state(path) is None and load_state(tmp_path / "gone.pt") is None
