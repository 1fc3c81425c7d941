"""Checkpoints of a training: plain values and tensors, written atomically.

last.ckpt   all that the rest of the training depends on
best.ckpt   {"format": 1, "state": state dict of the method} of the selected step
"""

from __future__ import annotations

import os
import pickle
import sys
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from oceanpath.errors import ArtifactError
from oceanpath.ssl.methods.base import Method

BEST, LAST = "best.ckpt", "last.ckpt"
FORMAT = 1


@dataclass
class TrainingState:
    """The progress of a training."""

    done: int = 0
    """Number of optimiser steps."""
    best_step: int = -1
    """Steps after which the best weights were kept; -1 if none were."""
    best_score: float = 0.0
    """The lower, the better."""
    collapsed_at: int = 0
    """Step at which collapse was first reported, if training continued; otherwise 0."""
    collapse: str = ""
    rows: list[dict[str, float | None]] = field(default_factory=list)
    """One per evaluation."""

    def contents(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_contents(cls, contents: dict[str, Any]) -> Self:
        """The state that `contents` describes."""
        return cls(**contents)


def save_state(path: Path, contents: dict[str, Any]) -> None:
    """Write the state of a training; the previous one stays until the new one is complete on the disk."""
    _write({"format": FORMAT, **contents}, path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The state of an interrupted training; None if there is none, or it is damaged."""
    try:
        return read_checkpoint(path) if path.is_file() else None
    except ArtifactError:
        return None  # the training starts again, with the same result


def save_best(path: Path, method: Method) -> None:
    """Write the weights of a method."""
    _write({"format": FORMAT, "state": method.state_dict()}, path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint. Raises: ArtifactError: missing, damaged or of another format."""
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ArtifactError("cannot be read as a checkpoint", where=path, got=error) from error
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise ArtifactError("unknown checkpoint format", where=path, expected=f"format {FORMAT}")
    return contents


def _write(contents: dict[str, Any], path: Path) -> None:
    partial = path.with_name(f".{path.name}")
    with partial.open("wb") as file:
        torch.save(_canonical(contents), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


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
