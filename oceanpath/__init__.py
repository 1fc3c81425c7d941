"""OceanPath: from whole-slide images and a table of labels to a validated slide-level model.

    >>> import oceanpath as op

Names of the Python interface (`oceanpath.api`) are loaded when they are first used.
"""

from __future__ import annotations

from oceanpath.telemetry import switch_off

TYPE_CHECKING = False  # importing typing would take as long as starting Python
if TYPE_CHECKING:
    from oceanpath.api.aggregators import build_aggregator
    from oceanpath.api.evaluation import Comparison, Metrics, compare, metrics
    from oceanpath.api.experiments import Experiment, Results, run
    from oceanpath.api.feature_files import Features, open_store, read_features
    from oceanpath.api.history import Ledger
    from oceanpath.api.prediction import Model, SlidePrediction, load_bundle
    from oceanpath.api.values import SlideValues, ValueModel

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "Experiment",
    "Features",
    "Ledger",
    "Metrics",
    "Model",
    "Results",
    "SlidePrediction",
    "SlideValues",
    "ValueModel",
    "build_aggregator",
    "compare",
    "load_bundle",
    "metrics",
    "open_store",
    "read_features",
    "run",
]

_MODULES = {
    "aggregators": ("build_aggregator",),
    "evaluation": ("Comparison", "Metrics", "compare", "metrics"),
    "experiments": ("Experiment", "Results", "run"),
    "feature_files": ("Features", "open_store", "read_features"),
    "history": ("Ledger",),
    "prediction": ("Model", "SlidePrediction", "load_bundle"),
    "values": ("SlideValues", "ValueModel"),
}
"""Module of `oceanpath.api` → its public names."""

switch_off()


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            from importlib import import_module

            value = getattr(import_module(f"oceanpath.api.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'oceanpath' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
