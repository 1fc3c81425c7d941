"""Checkpoints of classifiers: plain values and tensors, so that loading runs no code.

{"format": 1, "model": settings of the architecture, "in_dim": D, "classes": [...], "state": {name: tensor}}
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model

FORMAT = 1
KEYS = {"format", "model", "in_dim", "classes", "state"}


def save_checkpoint(classifier: WSIClassifier, path: Path) -> None:
    """Write `classifier` to `path`; equal weights give equal bytes."""
    state = {name: value.detach().cpu().contiguous() for name, value in classifier.state_dict().items()}
    contents = {
        "format": FORMAT,
        "model": classifier.settings.model_dump(mode="json"),
        "in_dim": classifier.in_dim,
        "classes": list(classifier.classes),
        "state": state,
    }
    torch.save(contents, path)


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> WSIClassifier:
    """The classifier at `path`, in eval mode on `device`.

    Raises: ArtifactError: missing, damaged, of another format, or its weights do not fit its settings exactly.
    """
    contents = _read(path)
    try:
        settings = parse_model(contents["model"])
        classifier = WSIClassifier(settings, contents["in_dim"], contents["classes"])
        classifier.load_state_dict(contents["state"], strict=True)
    except (ExperimentError, RuntimeError) as error:
        said = " ".join(str(error).split())  # torch's message has several lines
        raise ArtifactError("the checkpoint does not fit its own settings", where=path, got=said) from error
    return classifier.eval().to(device)


def _read(path: Path) -> dict[str, Any]:
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ArtifactError("cannot be read as a checkpoint", where=path, got=error) from error
    if not isinstance(contents, dict) or set(contents) != KEYS or contents["format"] != FORMAT:
        got = sorted(map(str, contents)) if isinstance(contents, dict) else type(contents).__name__
        raise ArtifactError("unknown checkpoint format", where=path, expected=f"format {FORMAT}", got=got)
    return contents
