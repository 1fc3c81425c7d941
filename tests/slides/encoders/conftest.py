"""Small members of the published architectures, with weights that a test saved."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from oceanpath.slides.encoders import ENCODERS
from oceanpath.slides.encoders.spec import EncoderSpec

TINY = {"depth": 2, "embed_dim": 96, "num_heads": 3}
Saved = Callable[..., tuple[EncoderSpec, Path]]


@pytest.fixture(scope="session")
def timm() -> ModuleType:
    """timm, or a skip: it is an extra, and part of `dev`."""
    if importlib.util.find_spec("timm") is None or importlib.util.find_spec("torchvision") is None:
        pytest.skip("timm and torchvision are not installed: pip install 'oceanpath[encoders]'")
    from oceanpath.slides.encoders.timm_library import import_timm

    return import_timm("of a test")


def tiny(name: str, **other: Any) -> EncoderSpec:
    """The spec of `name` with a network of two narrow blocks."""
    spec = ENCODERS[name]
    dim = TINY["embed_dim"] * (2 if spec.pool == "cls_mean" else 1)
    return dataclasses.replace(spec, dim=dim, arguments={**spec.arguments, **TINY, **other})


def initialise(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights of a size that training ends with; those of a fresh network hide mistakes behind zeros."""
    generator = torch.Generator().manual_seed(3)
    return {
        name: torch.randn(value.shape, generator=generator) * 0.08 + (1.0 if value.ndim == 1 and "norm" in name else 0)
        for name, value in network.state_dict().items()
    }


@pytest.fixture
def saved(timm: ModuleType, tmp_path: Path) -> Saved:
    """Name of an encoder → its tiny spec and a weights file for it."""
    from oceanpath.slides.encoders.timm_networks import network_of

    def save(name: str, **other: Any) -> tuple[EncoderSpec, Path]:
        spec, path = tiny(name, **other), tmp_path / f"{name}.safetensors"
        save_file(initialise(network_of(spec)), path)
        return spec, path

    return save
