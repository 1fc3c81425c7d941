"""Checkpoints of models: plain values and tensors, so that loading runs no code.

{"format": 1, "model": settings of the architecture, "in_dim": D, keys of the task and of its objective ("classes" for
classification), "state": {name: tensor}}
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.tasks.registry import read_task

FORMAT = 1
KEYS = {"format", "model", "in_dim", "state"}


class Checkpoint(NamedTuple):
    """A trained model and the objective that interprets its outputs."""

    model: WSIClassifier
    objective: Objective


def save_checkpoint(model: WSIClassifier, objective: Objective, path: Path) -> None:
    """Write a model to `path`; the same weights give the same bytes."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    contents = {
        "format": FORMAT,
        "model": model.settings.model_dump(mode="json"),
        "in_dim": model.in_dim,
        **objective.task.record(),
        **objective.record(),
        "state": state,
    }
    torch.save(contents, path)


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> Checkpoint:
    """The model at `path`, in eval mode on `device`, and its objective.

    Raises: ArtifactError: it is missing, damaged or of another format, or its weights do not match its settings.
    """
    contents = _read(path)
    objective = read_objective(read_task(contents, path), contents)
    try:
        settings = parse_model(contents["model"])
        model = WSIClassifier(settings, contents["in_dim"], objective.outputs)
        model.load_state_dict(_current_names(contents["state"]), strict=True)
    except (ExperimentError, RuntimeError) as error:
        message = " ".join(str(error).split())  # torch's message has several lines
        raise ArtifactError(
            "the weights of the checkpoint do not match its settings", where=path, got=message
        ) from error
    return Checkpoint(model.eval().to(device), objective)


def _current_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by their present names; layers of auxiliary losses were named after that of CLAM."""
    old, new = "clustering.", "auxiliary."
    return {new + name.removeprefix(old) if name.startswith(old) else name: value for name, value in state.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ArtifactError("cannot be read as a checkpoint", where=path, got=error) from error
    if not isinstance(contents, dict) or not set(contents) >= KEYS or contents["format"] != FORMAT:
        got = sorted(map(str, contents)) if isinstance(contents, dict) else type(contents).__name__
        raise ArtifactError("unknown checkpoint format", where=path, expected=f"format {FORMAT}", got=got)
    return contents
