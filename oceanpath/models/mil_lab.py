"""Weights of MIL-Lab's ABMIL (FEATHER) as pretrained weights of `abmil`.

Names of its tensors, with ``model.`` before them in files of the Hugging Face hub:

    patch_embed.0           Linear in_dim → hidden, followed by ReLU
    global_attn.attention_a.0, attention_b.0    the tanh and sigmoid branches, hidden → attention
    global_attn.attention_c                     attention → 1
    classifier              not used: it belongs to other classes

The model is that of Ilse et al. (2018) without normalisation of its input, so that `input_norm` is none.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from oceanpath.artifacts.pretrained import WeightFacts, write_weights
from oceanpath.errors import ArtifactError
from oceanpath.models.registry import build_aggregator, parse_model

NAMES = {
    "patch_embed.0": "patches.2",
    "global_attn.attention_a.0": "tanh_branch",
    "global_attn.attention_b.0": "sigmoid_branch",
    "global_attn.attention_c": "score",
}
"""Layer of MIL-Lab → layer of `abmil`."""
HEAD = "classifier."
PREFIX = "model."


def import_mil_lab(source: Path, out: Path, encoder: str) -> WeightFacts:
    """Write the weights in `source` to `out`, for `train.aggregator_weights`; returns their facts.

    `encoder` is that of the patch features, which the file does not state.

    Raises: ArtifactError: the file cannot be read, or it is not a gated ABMIL with one layer and one head.
    """
    tensors = {name.removeprefix(PREFIX): value for name, value in _read(source).items()}
    expected = {f"{layer}.{part}" for layer in NAMES for part in ("weight", "bias")}
    found = {name for name in tensors if not name.startswith(HEAD)}
    if found != expected:
        missing, more = sorted(expected - found), sorted(found - expected)
        got = f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(more) or 'none'}"
        what = "not the weights of a gated ABMIL of MIL-Lab with one layer"
        raise ArtifactError(what, where=source, expected=", ".join(sorted(expected)), got=got)
    hidden, in_dim = tensors["patch_embed.0.weight"].shape
    attention = len(tensors["global_attn.attention_a.0.weight"])
    settings = parse_model({"name": "abmil", "input_norm": "none", "hidden": hidden, "attention": attention})
    renamed = {
        f"{ours}.{part}": tensors[f"{theirs}.{part}"] for theirs, ours in NAMES.items() for part in ("weight", "bias")
    }
    try:
        build_aggregator(settings, in_dim).load_state_dict(renamed)
    except RuntimeError as error:
        got = " ".join(str(error).split())  # torch's message has several lines
        raise ArtifactError("the tensors do not fit each other", where=source, got=got) from error
    model = settings.model_dump(mode="json")
    facts = WeightFacts({"name": "mil-lab"}, model, in_dim, encoder, "", None, None, 0, [], [])
    write_weights(out, {name: _numbers(value) for name, value in renamed.items()}, facts)
    return facts


def _numbers(value: Tensor) -> NDArray[np.float32]:
    numbers: NDArray[np.float32] = value.to(torch.float32).numpy()
    return numbers


def _read(source: Path) -> Mapping[str, Tensor]:
    """The tensors of a file in safetensors or in torch's format, which is read without running code."""
    try:
        if source.suffix == ".safetensors":
            return load_file(source)
        tensors = torch.load(source, map_location="cpu", weights_only=True)
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        SafetensorError,
    ) as e:
        raise ArtifactError("cannot be read as weights", where=source, got=e) from e
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ArtifactError("not a state dict", where=source, expected="names of tensors", got=type(tensors).__name__)
    return tensors
