"""The space of a search among the settings of training: its keys are checked, and its values are set. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from oceanpath.errors import ExperimentError, OceanPathError, nearest
from oceanpath.fit.search_space import MODEL, Choices, Range, read_space
from oceanpath.settings import Settings
from oceanpath.stages.train.settings import TrainSettings

FIXED = (
    "search",
    "soup",
    "selection",
    "seed",
    "seeds",
    "monitor",
    "refit_fold",
    "final",
    "aggregator_weights",
    "weights_allow",
    "mode",
)
"""Keys of `[train]` that are the same in all trials: others would not be comparable, or are not settings of one."""
WHERE = "[train.search.space]"


def with_values(settings: TrainSettings, values: Mapping[str, Any]) -> TrainSettings:
    """The settings with other values of dotted keys, and without the search.

    Raises: ValidationError: a value is not valid.
    """
    own = {key: value for key, value in values.items() if not key.startswith(f"{MODEL}.")}
    model = {key.removeprefix(f"{MODEL}."): value for key, value in values.items() if key not in own}
    given: dict[str, Any] = {**_given(settings), **own, "search": None}
    if model:
        given["model"] = type(settings.model).model_validate({**_given(settings.model), **model})
    return type(settings).model_validate(given)


def _given(settings: Settings) -> dict[str, Any]:
    """The values that differ from the defaults, or were set; keys of other tasks may not be set."""
    return {name: getattr(settings, name) for name in settings.model_fields_set}


def describe_values(values: Mapping[str, Any]) -> str:
    """``"lr 0.0003, model.dropout 0.25"``."""
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )


def varies_model(settings: TrainSettings) -> bool:
    """Whether the space has keys of `[model]`."""
    return settings.search is not None and any(key.startswith(MODEL) for key in read_space(settings.search.space))


def space_problems(settings: TrainSettings) -> list[OceanPathError]:
    """Keys of the space that do not exist, with the nearest one, and values that are not valid."""
    assert settings.search is not None, "the settings have a search"
    try:
        space = read_space(settings.search.space)
    except ValueError as error:
        return [ExperimentError(str(error), where=WHERE)]
    if not space:
        do = "Add for example lr = { low = 1e-5, high = 1e-3, log = true }."
        return [ExperimentError("the search has no keys to vary", where=WHERE, do=do)]
    own = [key for key in type(settings).own_keys() if key not in FIXED]
    known = [*own, *(f"{MODEL}.{key}" for key in type(settings.model).own_keys() if key != "name")]
    return [problem for key, values in space.items() if (problem := _problem(settings, key, values, known)) is not None]


def _problem(settings: TrainSettings, key: str, values: Choices | Range, known: list[str]) -> OceanPathError | None:
    if key in FIXED:
        return ExperimentError(f"{key} must be the same in all trials", where=WHERE, got=key)
    if key not in known:
        close = nearest(key, known)
        do = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(sorted(known))}."
        return ExperimentError(f"unknown key '{key}'", where=WHERE, do=do)
    for value in values.examples():
        try:
            with_values(settings, {key: value})
        except ValidationError as error:
            text = error.errors(include_url=False)[0]["msg"]
            return ExperimentError(text[:1].lower() + text[1:], where=f"{WHERE} {key}", got=value)
    return None
