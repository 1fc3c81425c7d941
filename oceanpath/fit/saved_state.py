"""States of trainings, from which an interrupted one is resumed: plain values and tensors, written atomically."""

from __future__ import annotations

import os
import pickle
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, Protocol

import torch

from oceanpath.errors import ArtifactError

FORMAT = 1


class Resumable(Protocol):
    """A part of a training whose state is saved."""

    def contents(self) -> dict[str, Any]:
        """All that the rest of the training depends on, as plain values and tensors."""

    def restore(self, contents: dict[str, Any]) -> None:
        """Continue from the state that `contents` describes."""


class SavedTraining:
    """The state of one training in a file: read when it starts, written every `seconds`."""

    def __init__(self, path: Path, seconds: float, **parts: Resumable) -> None:
        self.path, self.seconds, self.parts = path, seconds, parts
        self._saved_at = time.monotonic()

    def restore(self) -> bool:
        """Restore all parts from the file; False if there is none, or it is damaged."""
        contents = load_state(self.path)
        if contents is None or not self.parts.keys() <= contents.keys():
            return False
        for name, part in self.parts.items():
            part.restore(contents[name])
        return True

    def save_if_due(self) -> None:
        """Write all parts if the last time was at least `seconds` ago."""
        if time.monotonic() - self._saved_at < self.seconds:
            return
        save_state(self.path, {name: part.contents() for name, part in self.parts.items()})
        self._saved_at = time.monotonic()


def save_state(path: Path, contents: dict[str, Any]) -> None:
    """Write the state of a training; the previous one stays until the new one is complete on the disk."""
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        torch.save(_canonical({"format": FORMAT, **contents}), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The state of an interrupted training; None if there is none, or it is damaged."""
    try:
        return read_state(path) if path.is_file() else None
    except ArtifactError:
        return None  # the training starts again, with the same result


def read_state(path: Path) -> dict[str, Any]:
    """The contents of a saved state. Raises: ArtifactError: missing, damaged or of another format."""
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ArtifactError("cannot be read as a checkpoint", where=path, got=error) from error
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise ArtifactError("unknown checkpoint format", where=path, expected=f"format {FORMAT}")
    return contents


def _canonical(value: Any) -> Any:
    """An equal value without shared objects other than strings.

    Pickle writes the second use of an object as a reference: equal states of a resumed and of an uninterrupted training
    would otherwise have different bytes.
    """
    if isinstance(value, dict):
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_canonical(item) for item in value])
    if isinstance(value, str):
        return sys.intern(value)
    return value.detach().cpu().clone() if isinstance(value, torch.Tensor) else value
