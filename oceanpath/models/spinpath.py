"""Weights of SpinPath's attention models as pretrained weights of `abmil`.

The format prescribes what a model computes and not the names of its layers. The five linear layers of gated attention
(Ilse et al., 2018: patches, tanh branch, sigmoid branch, score, classifier) are therefore assigned by their shapes, and
the assignment is accepted only if it reproduces the logits of the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import linear

from oceanpath.artifacts.bundle.folder import golden_bag
from oceanpath.artifacts.pretrained import WeightFacts, write_weights
from oceanpath.artifacts.spinpath import SCRIPT, read_config
from oceanpath.errors import ArtifactError
from oceanpath.models.base import BaseMIL
from oceanpath.models.registry import build_aggregator, parse_model
from oceanpath.models.settings import ModelSettings

ROLES = ("patches.2", "tanh_branch", "sigmoid_branch", "score")
"""Layers of `abmil`; the fifth layer of the model is its classifier."""
PATCHES, TOLERANCE = 9, 1e-4


class Layer(NamedTuple):
    """A linear layer."""

    weight: Tensor
    bias: Tensor


class Candidate(NamedTuple):
    """An assignment of the layers."""

    settings: ModelSettings
    aggregator: BaseMIL
    classifier: Layer

    def logits(self, features: Tensor) -> Tensor:
        """[1, C] of features [N, D]."""
        return linear(self.aggregator.forward_features(features[None])[0], *self.classifier)


def import_spinpath(folder: Path, out: Path, encoder: str = "") -> WeightFacts:
    """Write the weights of the model in `folder` to `out`, for `train.aggregator_weights`; returns their facts.

    `encoder` replaces the one that config.json states.

    Raises: ArtifactError: a file cannot be read, or the model computes something else than gated attention.
    """
    config = read_config(folder)
    settings, aggregator, _ = _reproduced(load_script(folder / SCRIPT), folder / SCRIPT)
    model, name = settings.model_dump(mode="json"), encoder or config.encoder
    facts = WeightFacts({"name": "spinpath"}, model, aggregator.in_dim, name, "", config.patch_size_um, None, 0, [], [])
    write_weights(out, {key: _numbers(value) for key, value in aggregator.state_dict().items()}, facts)
    return facts


def load_script(path: Path) -> torch.jit.ScriptModule:
    """A TorchScript file, in eval mode. Raises: ArtifactError: it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it is the format of SpinPath
            script: torch.jit.ScriptModule = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]  # untyped in torch
    except (RuntimeError, ValueError, OSError) as error:
        got = str(error).splitlines()[0]
        raise ArtifactError("cannot be read as TorchScript", where=path, got=got) from error
    return script.eval()


@torch.inference_mode()
def _reproduced(script: nn.Module, where: Path) -> Candidate:
    """The assignment of layers that computes the logits of the script."""
    candidates = list(_candidates(_layers(script)))
    if not candidates:
        got = ", ".join(f"{name} {list(value.shape)}" for name, value in script.state_dict().items()) or "no parameters"
        expected = "the five linear layers of gated attention with one score, each with bias, and no other parameters"
        raise ArtifactError("not a gated attention model", where=where, expected=expected, got=got)
    features = torch.from_numpy(golden_bag(PATCHES, candidates[0].aggregator.in_dim))
    try:
        theirs = script(features)[0]
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        expected, got = "logits and attention of features [N, D]", str(error).splitlines()[-1]
        raise ArtifactError("the model cannot be run", where=where, expected=expected, got=got) from error
    for candidate in candidates:
        if candidate.classifier.bias.shape == theirs.shape[-1:]:
            ours = candidate.logits(features)
            if torch.allclose(ours, theirs.reshape(1, -1).float(), rtol=0, atol=TOLERANCE):
                return candidate
    expected = "gated attention (Ilse et al., 2018) with one hidden layer"
    raise ArtifactError("the model computes another function than its layers suggest", where=where, expected=expected)


def _layers(script: nn.Module) -> dict[str, Layer]:
    """Name → layer; none if the script has other parameters too."""
    tensors = {name: value.detach().float() for name, value in script.state_dict().items()}
    names = sorted({name.rpartition(".")[0] for name in tensors})
    if set(tensors) != {f"{name}.{part}" for name in names for part in Layer._fields}:
        return {}
    layers = {name: Layer(*(tensors[f"{name}.{part}"] for part in Layer._fields)) for name in names}
    return layers if all(layer.weight.ndim == 2 for layer in layers.values()) else {}


def _candidates(layers: Mapping[str, Layer]) -> Iterator[Candidate]:
    """Every assignment of the layers whose shapes fit."""
    for *parts, head in permutations(layers.values()) if len(layers) == len(ROLES) + 1 else ():
        (hidden, in_dim), (attention, _), *_ = shapes = [tuple(part.weight.shape) for part in parts]
        fitting = [(hidden, in_dim), (attention, hidden), (attention, hidden), (1, attention)]
        if shapes != fitting or head.weight.shape[1] != hidden:
            continue
        settings = parse_model({"name": "abmil", "input_norm": "none", "hidden": hidden, "attention": attention})
        aggregator = build_aggregator(settings, in_dim).eval()
        tensors = {
            f"{role}.{name}": value
            for role, part in zip(ROLES, parts, strict=True)
            for name, value in part._asdict().items()
        }
        aggregator.load_state_dict(tensors)
        yield Candidate(settings, aggregator, head)


def _numbers(value: Tensor) -> NDArray[np.float32]:
    numbers: NDArray[np.float32] = value.numpy()
    return numbers
