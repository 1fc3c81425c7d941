"""Problems that would prevent training, reported before any slide is opened."""

from __future__ import annotations

from importlib.util import find_spec

from oceanpath.errors import ExperimentError, MissingExtraError, OceanPathError, collected, nearest
from oceanpath.fit.objectives.registry import objective_entry
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.train.settings import RefitSettings, TrainSettings

ALWAYS_AVAILABLE = ("auto", "cpu")
"""Devices that every machine has."""


def preflight(settings: TrainSettings, sources: ParentSources) -> Preview:
    """Check device, kernels, that the model fits the task, that a probe has weights, and the space of a search."""
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
    if settings.soup > 1 and settings.refit_fold:
        do, what = "Remove one of them.", "a refit is one training, so it cannot repeat an average of several"
        problems.append(ExperimentError(what, where="[train] soup", got="refit_fold = true", do=do))
    problems += _final_problems(settings) + _level_problems(settings) + _weight_problems(settings)
    if settings.search is not None:
        has_weights = settings.aggregator_weights is not None or "pretrain" in sources.names
        problems += _search_problems(settings, has_weights=has_weights)
    if settings.device not in ALWAYS_AVAILABLE:
        from oceanpath.fit.device import pick_device  # loads torch

        with collected(problems):
            pick_device(settings.device)
    return Preview(tuple(problems))


def preflight_refit(settings: RefitSettings, sources: ParentSources) -> Preview:  # noqa: ARG001  # the signature of every preflight
    """Check that one model of all patients is requested, and that its initial weights are the same for all."""
    problems: list[OceanPathError] = []
    if settings.train.final != "refit":
        what, do = "the model of all patients is not the one to be exported", 'Set train.final = "refit".'
        problems.append(ExperimentError(what, where="[train] final", got=settings.train.final, do=do))
    if settings.rows == "fold_train":
        what = "there is one pretrained aggregator per fold, and one model of all patients"
        do = 'Set pretrain.rows = "manifest", or another train.final.'
        problems.append(ExperimentError(what, where="[pretrain] rows", got=settings.rows, do=do))
    return Preview(tuple(problems))


def _weight_problems(settings: TrainSettings) -> list[OceanPathError]:
    """Weights of labels that the task does not have."""
    unknown = sorted(settings.target_weights.keys() - set(settings.targets))
    close = [f"{name}: did you mean {one[0]!r}?" for name in unknown if (one := nearest(name, settings.targets))]
    what, where = "weights of labels that are not in data.targets", "[train] target_weights"
    facts = {"expected": ", ".join(settings.targets), "got": ", ".join(unknown), "do": " ".join(close)}
    return [ExperimentError(what, where=where, **facts)] if unknown else []


def _level_problems(settings: TrainSettings) -> list[OceanPathError]:
    """Why the architecture cannot be trained on slide embeddings."""
    if settings.level != "slide" or not settings.model.attends:
        return []
    what = "attention over patches has no effect on slide embeddings, which are one row per slide"
    do = 'Set model.name = "linear" (a linear model of the embedding) or "mean_mlp" (one hidden layer).'
    return [ExperimentError(what, where="[model] name", got=settings.model.name, do=do)]


def _final_problems(settings: TrainSettings) -> list[OceanPathError]:
    """Why the requested model cannot be exported."""
    problems: list[OceanPathError] = []
    if settings.final != "ensemble" and settings.selection == "reported":
        what = "the epochs were selected on test rows, which must not decide what is exported"
        do = 'Set train.final = "ensemble", or train.selection = "inner".'
        problems.append(ExperimentError(what, where="[train] final", got=settings.final, do=do))
    if settings.final == "refit" and settings.soup > 1:
        what = "the model of all patients is one training, so it cannot repeat an average of several"
        do = "Remove train.soup, or set another train.final."
        problems.append(ExperimentError(what, where="[train] soup", got=settings.soup, do=do))
    return problems


def _search_problems(settings: TrainSettings, *, has_weights: bool) -> list[OceanPathError]:
    if find_spec("optuna") is None:
        do = "pip install 'oceanpath[search]'"
        return [MissingExtraError("the search needs optuna", where="[train.search]", do=do)]
    from oceanpath.stages.train.space import space_problems, varies_model  # only needed for a search

    problems = space_problems(settings)
    if has_weights and not problems and varies_model(settings) and "model" not in settings.weights_allow:
        do = 'Remove its keys "model.*"; for keys without weights, such as dropout, add "model" to train.weights_allow.'
        what = "pretrained weights fit one architecture, which the search would vary"
        problems.append(ExperimentError(what, where="[train.search.space] model", do=do))
    return problems
