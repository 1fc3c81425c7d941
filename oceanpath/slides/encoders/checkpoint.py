"""Load weights files into networks: no code is executed, and every key must match."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from oceanpath.errors import ArtifactError, shorten_list

WRAPPERS = ("state_dict", "model")
"""Keys under which training programs store weights among other values."""
MAX_SHOWN = 3


def read_state(path: Path) -> dict[str, Tensor]:
    """Name → tensor of a ``.safetensors`` file, or of a file of `torch.save` with tensors only.

    Raises: ArtifactError: the file is damaged or contains more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        do = "Save only its state_dict(), as .safetensors or with torch.save."
        raise ArtifactError("the weights file contains more than tensors", where=path, do=do) from error
    except (RuntimeError, EOFError, OSError, ValueError, SafetensorError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        do = "Download or copy the file again."
        raise ArtifactError("the weights file cannot be read", where=path, got=message, do=do) from error
    state = next((content[key] for key in WRAPPERS if isinstance(content, Mapping) and key in content), content)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        got = f"a {type(state).__name__}"
        raise ArtifactError(
            "the weights file is not a mapping of tensors", where=path, expected="name → tensor", got=got
        )
    return {str(name): value for name, value in state.items()}


def load_weights(network: nn.Module, state: Mapping[str, Tensor], name: str, path: Path) -> None:
    """Load `state`, every key of it, into every parameter and buffer of `network`, as float32.

    A network on the device ``meta``, which has no values yet, uses the tensors of `state` directly: nothing is
    initialised or copied unnecessarily.

    Raises: ArtifactError: keys are missing or unexpected, or shapes differ; the message names the first of each.
    """
    target = network.state_dict()
    optional = {key for key in target if key.endswith("num_batches_tracked")}  # absent in old files
    missing, extra = (
        [key for key in target if key not in state and key not in optional],
        [k for k in state if k not in target],
    )
    shapes = [
        f"{key} {list(value.shape)} instead of {list(target[key].shape)}"
        for key, value in state.items()
        if key in target and value.shape != target[key].shape
    ]
    problems = [_some("missing", missing), _some("unexpected", extra), _some("shape", shapes)]
    if any(problems):
        do = "Check that the file belongs to this encoder."
        if prefix := _shared_prefix(extra, missing):
            do = f"Its keys start with {prefix!r}: save it without this prefix."
        raise ArtifactError(f"the weights do not fit {name}", where=path, got="; ".join(filter(None, problems)), do=do)
    full = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    empty = any(value.is_meta for value in target.values())
    network.load_state_dict(full, strict=not optional, assign=empty)


def _some(what: str, names: list[str]) -> str:
    return f"{what} {shorten_list(names, MAX_SHOWN)}" if names else ""


def _shared_prefix(extra: Iterable[str], missing: list[str]) -> str:
    """The prefix of an unexpected name that would be a missing one without it, such as ``module.``."""
    for name in extra:
        for expected in missing:
            if name.endswith("." + expected):
                return name.removesuffix(expected)
    return ""
