"""Files of weights into networks: nothing is executed, every key must fit."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from oceanpath.errors import ArtifactError

WRAPPERS = ("state_dict", "model")
"""Keys under which training programs keep the weights beside other things."""
SHOWN = 3


def read_state(path: Path) -> dict[str, Tensor]:
    """Name → tensor of a ``.safetensors`` file, or of a file of `torch.save` that holds tensors alone.

    Raises: ArtifactError: damaged, or it holds more than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        do = "Save its state_dict() alone, as .safetensors or with torch.save."
        raise ArtifactError("the file of weights holds more than tensors", where=path, do=do) from error
    except (RuntimeError, EOFError, OSError, ValueError, SafetensorError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        do = "Get the file again."
        raise ArtifactError("the file of weights cannot be read", where=path, got=said, do=do) from error
    state = next((found[key] for key in WRAPPERS if isinstance(found, Mapping) and key in found), found)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        got = f"a {type(state).__name__}"
        raise ArtifactError("the file of weights is no table of tensors", where=path, expected="name → tensor", got=got)
    return {str(name): value for name, value in state.items()}


def fill(network: nn.Module, state: Mapping[str, Tensor], name: str, path: Path) -> None:
    """Load `state`, every key of it, into every parameter and buffer of `network`, as float32.

    A network on the device ``meta``, which holds no numbers yet, takes the tensors of `state` for its own: nothing is
    drawn or copied in vain.

    Raises: ArtifactError: keys are missing or left over, or shapes differ; the message names the first of each.
    """
    own = network.state_dict()
    optional = {key for key in own if key.endswith("num_batches_tracked")}  # old files lack it; inference ignores it
    missing, extra = (
        [key for key in own if key not in state and key not in optional],
        [k for k in state if k not in own],
    )
    shapes = [
        f"{key} {list(value.shape)} instead of {list(own[key].shape)}"
        for key, value in state.items()
        if key in own and value.shape != own[key].shape
    ]
    said = [_some("missing", missing), _some("unexpected", extra), _some("shape", shapes)]
    if any(said):
        do = "Is it the file of another encoder?"
        if prefix := _shared_prefix(extra, missing):
            do = f"Its names begin with {prefix!r}: save it without."
        raise ArtifactError(f"the weights do not fit {name}", where=path, got="; ".join(filter(None, said)), do=do)
    full = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    empty = any(value.is_meta for value in own.values())
    network.load_state_dict(full, strict=not optional, assign=empty)


def _some(what: str, names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{what} {', '.join(names[:SHOWN])}{more}" if names else ""


def _shared_prefix(extra: Iterable[str], missing: list[str]) -> str:
    """What stands before every unexpected name that would be a missing one without it, such as ``module.``."""
    for name in extra:
        for wanted in missing:
            if name.endswith("." + wanted):
                return name.removesuffix(wanted)
    return ""
