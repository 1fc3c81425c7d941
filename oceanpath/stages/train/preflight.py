"""Problems that would prevent training, reported before any slide is opened."""

from __future__ import annotations

from importlib.util import find_spec

from oceanpath.errors import ExperimentError, MissingExtraError, OceanPathError, collected
from oceanpath.fit.objectives.registry import objective_entry
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.train.settings import TrainSettings

ALWAYS_AVAILABLE = ("auto", "cpu")
"""Devices that every machine has."""


def preflight(settings: TrainSettings, sources: ParentSources) -> Preview:
    """Check the device, the kernels, that the model fits the task, and that a probe has weights."""
    problems: list[OceanPathError] = []
    if getattr(settings.model, "kernels", "") == "mamba_ssm" and find_spec("mamba_ssm") is None:
        do = "pip install 'oceanpath[mamba]' on a machine with CUDA, or set kernels = \"auto\"."
        what = "the kernels of mamba-ssm are not installed"
        problems.append(MissingExtraError(what, where="[model] kernels", got="mamba_ssm", do=do))
    if getattr(settings.model, "instance_weight", 0.0) and not objective_entry(settings.task).has_class_targets:
        do = "Set model.instance_weight = 0."
        what = "the patch-level loss is defined for classification only"
        problems.append(ExperimentError(what, where="[model] instance_weight", got=f"task {settings.task}", do=do))
    if settings.attention_entropy and not settings.model.attends:
        what, do = "this architecture has no learned attention", "Remove train.attention_entropy."
        problems.append(ExperimentError(what, where="[train] attention_entropy", got=settings.model.name, do=do))
    if settings.mode == "linear_probe" and settings.aggregator_weights is None and "pretrain" not in sources.names:
        do = "Add [pretrain], or set train.aggregator_weights."
        what = "a linear probe needs pretrained weights"
        problems.append(ExperimentError(what, where="[train] mode", got="linear_probe", do=do))
    if settings.device not in ALWAYS_AVAILABLE:
        from oceanpath.fit.device import pick_device  # loads torch

        with collected(problems):
            pick_device(settings.device)
    return Preview(tuple(problems))
