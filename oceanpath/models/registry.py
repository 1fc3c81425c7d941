"""Names of architectures → their settings and their modules. Torch is imported only by `build_aggregator`.

Installed packages add architectures by entry points of the group ``oceanpath.aggregators``: each names a light module
(settings, no torch) that calls `register_aggregator` when it is imported. They are loaded only for a name that is not
registered here, and for the list of all names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import ValidationError

from oceanpath.errors import ExperimentError, nearest, together
from oceanpath.models import settings as known
from oceanpath.models.settings import ModelSettings
from oceanpath.plugins import load_plugins

if TYPE_CHECKING:
    from oceanpath.models.base import BaseMIL

S = TypeVar("S", bound=type[ModelSettings])


class Entry(NamedTuple):
    """One architecture: its settings class, and its module as ``"module:Class"``."""

    settings: type[ModelSettings]
    where: str


GROUP = "oceanpath.aggregators"
_ENTRIES: dict[str, Entry] = {}


def register_aggregator(name: str, where: str) -> Callable[[S], S]:
    """A class decorator for settings: `name` is built by the class at ``"module:Class"``.

    Raises: ValueError: the name is already registered.
    """

    def register(settings: S) -> S:
        if name in _ENTRIES:
            raise ValueError(f"the aggregator {name!r} is already registered")
        _ENTRIES[name] = Entry(settings, where)
        return settings

    return register


register_aggregator("abmil", "oceanpath.models.abmil:ABMIL")(known.ABMILSettings)
register_aggregator("acmil", "oceanpath.models.acmil:ACMIL")(known.ACMILSettings)
register_aggregator("bimamba", "oceanpath.models.bimamba:BiMamba")(known.BiMambaSettings)
register_aggregator("clam_mb", "oceanpath.models.clam_mb:ClamMB")(known.ClamMBSettings)
register_aggregator("clam_sb", "oceanpath.models.clam_sb:ClamSB")(known.ClamSBSettings)
register_aggregator("dsmil", "oceanpath.models.dsmil:DSMIL")(known.DSMILSettings)
register_aggregator("dtfd", "oceanpath.models.dtfd:DTFD")(known.DTFDSettings)
register_aggregator("ilra", "oceanpath.models.ilra:ILRA")(known.ILRASettings)
register_aggregator("linear", "oceanpath.models.linear:LinearPooling")(known.LinearSettings)
register_aggregator("lse", "oceanpath.models.lse:LogSumExpPooling")(known.LSESettings)
register_aggregator("mean_mlp", "oceanpath.models.mean_mlp:MeanMLP")(known.MeanMLPSettings)
register_aggregator("multihead_abmil", "oceanpath.models.multihead_abmil:MultiheadABMIL")(known.MultiheadABMILSettings)
register_aggregator("perceiver", "oceanpath.models.perceiver:Perceiver")(known.PerceiverSettings)
register_aggregator("static", "oceanpath.models.static:StaticPooling")(known.StaticSettings)
register_aggregator("transformer", "oceanpath.models.transformer:Transformer")(known.TransformerSettings)
register_aggregator("transmil", "oceanpath.models.transmil:TransMIL")(known.TransMILSettings)


def aggregator_names() -> list[str]:
    """All names including those of plug-ins, sorted."""
    load_plugins(GROUP)
    return sorted(_ENTRIES)


def aggregator_settings() -> list[type[ModelSettings]]:
    """The settings class of every architecture, sorted by name."""
    return [_ENTRIES[name].settings for name in aggregator_names()]


def settings_of(name: str) -> type[ModelSettings]:
    """The settings class of one architecture.

    Raises: ExperimentError: unknown name.
    """
    return _entry(name).settings


def parse_model(raw: Mapping[str, Any]) -> ModelSettings:
    """The settings of a `[model]` table; the default architecture is ABMIL.

    Raises: ExperimentError: unknown name, unknown key or value out of range; the error suggests the nearest name.
    """
    name = str(raw.get("name", "abmil"))
    entry = _entry(name)
    try:
        return entry.settings.model_validate({**raw, "name": name})
    except ValidationError as error:
        problems = [_explain(problem, entry.settings) for problem in error.errors(include_url=False)]
        raise together(problems) from error


def build_aggregator(settings: ModelSettings, in_dim: int) -> BaseMIL:
    """A freshly initialised aggregator for patch features of length `in_dim` (from torch's global generator)."""
    module, _, name = _entry(settings.name).where.partition(":")
    built: BaseMIL = getattr(importlib.import_module(module), name)(settings, in_dim)
    built.checkpoint = settings.checkpoint
    return built


def _entry(name: str) -> Entry:
    if name not in _ENTRIES:
        load_plugins(GROUP)
    if name in _ENTRIES:
        return _ENTRIES[name]
    close = nearest(name, _ENTRIES)
    do = f"Did you mean {close[0]!r}?" if close else ""
    raise ExperimentError(
        "unknown aggregator", where="[model] name", expected=", ".join(aggregator_names()), got=name, do=do
    )


def _explain(problem: Any, settings: type[ModelSettings]) -> ExperimentError:
    key = ".".join(str(step) for step in problem["loc"])
    if problem["type"] == "extra_forbidden":
        close = nearest(key, settings.own_keys())
        do = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(settings.own_keys())}."
        return ExperimentError("unknown key", where=f"[model] {key}", do=do)
    return ExperimentError(problem["msg"], where=f"[model] {key}", got=problem.get("input", ""))
