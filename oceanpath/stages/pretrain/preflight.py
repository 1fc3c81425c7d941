"""Problems that would prevent a pretraining, reported before the store is built."""

from __future__ import annotations

from collections.abc import Collection

from oceanpath.bags.batching.kinds import refusal
from oceanpath.errors import ExperimentError, OceanPathError, collected
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.ssl.methods.registry import needs_labels
from oceanpath.stages.pretrain.settings import PretrainSettings

ALWAYS_AVAILABLE = ("auto", "cpu")
"""Devices that every machine has."""


def preflight(settings: PretrainSettings, sources: ParentSources) -> Preview:
    """Check the batching strategy, the device, the folds and the patients; opens no feature file."""
    problems: list[OceanPathError] = []
    if settings.level == "slide":
        what, do = (
            "pretraining needs the patches of slides, not one embedding per slide",
            "Remove the table [pretrain].",
        )
        problems.append(ExperimentError(what, where="[data] level", got=settings.level, do=do))
    batching = settings.view_batching()
    if reason := refusal(settings.method.name, settings.method.is_blocks, batching, _has_coords(settings, sources)):
        problems.append(refused_batching(settings, reason))
    if settings.device not in ALWAYS_AVAILABLE or settings.devices > 1:
        from oceanpath.stages.pretrain.devices import device_of  # loads torch

        with collected(problems):
            device_of(settings, settings.devices - 1)
    if settings.rows == "fold_train" and "split" not in sources.names:
        do = 'Add [split], or set pretrain.rows = "manifest".'
        problems.append(ExperimentError("there are no folds", where="[pretrain] rows", got="fold_train", do=do))
    with collected(problems):
        if settings.rows == "manifest":
            _check_cohort(settings, sources)
    return Preview(tuple(problems))


def refused_batching(settings: PretrainSettings, reason: str) -> ExperimentError:
    """The error for a strategy that cannot batch the views of the method."""
    do = f"Use {settings.method.default_batching['name']}."
    return ExperimentError(reason, where="[pretrain] batching", do=do)


def _check_cohort(settings: PretrainSettings, sources: ParentSources) -> None:
    """Read the patients and labels, as far as the table and the slides are known, and form the cohort."""
    from oceanpath.stages.pretrain.cohort import cohort_of, label_table  # loads pandas
    from oceanpath.stages.pretrain.patients import read_people

    table = label_table(settings, sources.get("demo"))
    slides = _slides(settings, sources)
    is_coming = table is None and settings.features is None and "demo" in sources.names
    if is_coming or (table is not None and not table.exists()):
        return  # `demo` has not written its table yet; a file that does not exist is reported by the pipeline
    people = read_people(settings, table, slides, labelled=needs_labels(settings.method))
    if slides is not None and not settings.allow_missing:  # otherwise blank and failing slides are not known yet
        cohort_of(settings, people)


def _slides(settings: PretrainSettings, sources: ParentSources) -> Collection[str] | None:
    """The slides of the store, if it exists or is expected; None if they are not known yet."""
    parent = store_name(settings)
    store, expected = sources.get(parent), sources.expected.get(parent)
    if store is None:
        return None if expected is None else sorted(expected.slides)
    from oceanpath.artifacts.store.reader import Store

    return Store(store, check=False).slide_ids


def _has_coords(settings: PretrainSettings, sources: ParentSources) -> bool:
    """Whether patches have coordinates; True if that is not known yet."""
    store = sources.get(store_name(settings))
    if store is None:
        return True
    from oceanpath.artifacts.store.reader import Store

    return Store(store, check=False).has_coords


def store_name(settings: PretrainSettings) -> str:
    """The parent stage whose store is read."""
    return "mmap" if settings.features is None else "pretrain_mmap"
