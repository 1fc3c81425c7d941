"""What would keep a model from being trained, reported before any slide is opened."""

from __future__ import annotations

from importlib.util import find_spec

from oceanpath.errors import MissingExtraError, OceanPathError, collected
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.train.settings import TrainSettings

ANYWHERE = ("auto", "cpu")
"""Devices that are always there."""


def preflight(settings: TrainSettings, _: ParentSources) -> Preview:
    """Look for the device and for the package of kernels that are asked for by name."""
    problems: list[OceanPathError] = []
    if getattr(settings.model, "kernels", "") == "mamba_ssm" and find_spec("mamba_ssm") is None:
        do = "pip install 'oceanpath[mamba]' where CUDA is, or set kernels = \"auto\"."
        what = "the kernels of mamba-ssm are not installed"
        problems.append(MissingExtraError(what, where="[model] kernels", got="mamba_ssm", do=do))
    if settings.device not in ANYWHERE:
        from oceanpath.fit.device import pick_device  # loads torch

        with collected(problems):
            pick_device(settings.device)
    return Preview(tuple(problems))
