"""Measurements of the server in the text format of Prometheus; they contain no slide ids and no features.

Several workers write to files of one folder (`SHARED`), so each of them reports the sum of all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from oceanpath.serving.exchange import Exchange
from oceanpath.serving.models import Model

disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
MEDIA_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable of the folder of several workers; prometheus_client reads it when it is imported."""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
OTHER = "other"
"""The route of requests that no handler answers; their paths would be an unlimited number of labels."""


class Metrics:
    """Counters and histograms of one application."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "oceanpath_requests", "Requests by route and HTTP status.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "oceanpath_request_seconds", "Time of a request.", ["route"], registry=registry, buckets=SECONDS
        )
        self._inference = Histogram(
            "oceanpath_inference_seconds", "Time of the model.", ["model"], registry=registry, buckets=SECONDS
        )
        self._patches = Counter("oceanpath_patches", "Patches of predicted slides.", ["model"], registry=registry)
        self.active = Gauge(
            "oceanpath_active_predictions",
            "Predictions that wait or are computed.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.active_pictures = Gauge(
            "oceanpath_active_pictures",
            "Pictures of slides that wait or are read.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        if SHARED not in os.environ:
            ProcessCollector(registry=registry)

    def observe_request(self, exchange: Exchange, route: str, status: int) -> None:
        """Count a request that is answered."""
        self._requests.labels(route or OTHER, str(status)).inc()
        self._seconds.labels(route or OTHER).observe(exchange.milliseconds / 1000)

    def observe_inference(self, model: str, seconds: float, patches: int) -> None:
        """Count a predicted slide."""
        self._inference.labels(model).observe(seconds)
        self._patches.labels(model).inc(patches)

    def render(self, models: Iterable[Model]) -> bytes:
        """All measurements, and the served models, as text."""
        registry = self._registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no annotations
        return generate_latest(registry) + generate_latest(_served(models))


def _served(models: Iterable[Model]) -> CollectorRegistry:
    """The served models, which change when they are reloaded."""
    registry = CollectorRegistry()
    info = Gauge("oceanpath_model_info", "Served models.", ["model", "version", "digest"], registry=registry)
    for model in models:
        info.labels(model.name, model.version, model.facts.digest).set(1)
    return registry
