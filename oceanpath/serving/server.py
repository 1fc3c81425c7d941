"""The command `serve`: the application in one or several granian workers.

SIGTERM and SIGINT stop the server after its current requests. SIGHUP opens the bundles again in every worker.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.mp import MPServer
from litestar.types import ASGIApp

from oceanpath.artifacts.bundle.folder import read_bundle
from oceanpath.child_process import end_with_parent
from oceanpath.cores import available_cores
from oceanpath.errors import OceanPathError
from oceanpath.serving.address import check_port_is_free
from oceanpath.serving.app import create_app
from oceanpath.serving.audit_log import AuditLog
from oceanpath.serving.models import BundleSource, Models
from oceanpath.serving.offline import find_bundle
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.slide_folder import SlideFolder
from oceanpath.serving.slide_images import SlideImages

log = logging.getLogger("oceanpath.serving")
HEADER_MILLISECONDS = 5_000
DRAIN_SECONDS = 30
"""Time for current requests to finish after the server is stopped."""
RELOAD_SECONDS = 0.2
"""Time between two looks of a worker at the number of requested reloads."""
SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"


class Server(MPServer):
    """Granian, except that SIGHUP keeps the workers and their connections: they open the bundles again."""

    def __init__(self, reloads: Any, **options: Any) -> None:
        """`reloads` is a number in shared memory that counts the requested reloads."""
        super().__init__("oceanpath.serving", **options)
        self._reloads = reloads

    def signal_handler_reload(self, *_: object) -> None:
        """Request a reload."""
        self._reloads.value += 1


def serve(sources: Sequence[BundleSource], settings: ServeSettings, announce: Callable[[str], None]) -> None:
    """Serve bundles until SIGINT or SIGTERM; current requests are completed first.

    Args:
        sources: The folders of the bundles, or their parents; the first one answers requests that name no model.
        settings: Address and limits.
        announce: Called with one line per model when the port is open.

    Raises:
        ExperimentError: no bundle, a host that other machines can reach, a port in use, an audit log that cannot be
            written, or a folder without features or slides.
        ArtifactError: a bundle is damaged.
        SystemExit: 1, the worker could not start.
    """
    # before a worker starts: what is wrong is reported once
    settings.check_host()
    SlideFolder.open(settings.features, settings.features_key)
    SlideImages.open(settings.slides)
    if settings.audit_log is not None:
        AuditLog(settings.audit_log).close()
    found = [replace(source, path=find_bundle(source.path)) for source in sources]
    facts = [read_bundle(source.path).facts for source in found]
    address = "127.0.0.1" if settings.host == "localhost" else settings.host.strip("[]")
    check_port_is_free(address, settings.port)
    host = f"[{address}]" if ":" in address else address
    # spawn: a forked worker would inherit the main process's handlers and ignore SIGTERM until it has its own
    multiprocessing.set_start_method("spawn", force=True)
    reloads = multiprocessing.RawValue("L", 0)
    server = Server(
        reloads,
        address=address,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS),
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=DRAIN_SECONDS,
    )
    for source, each in zip(found, facts, strict=True):
        line = f"{source.name or each.name} (model {each.digest[:12]}) at http://{host}:{settings.port}"
        server.on_startup(partial(announce, line))
    with _shared_metrics(settings.workers):
        server.serve(target_loader=partial(_load, found, settings, reloads), wrap_loader=False)


def _load(sources: Sequence[BundleSource], settings: ServeSettings, reloads: Any) -> ASGIApp:
    """In a worker: verify the bundles and test the engines before the first request."""
    end_with_parent()
    models = Models.open(sources, settings.threads or max(1, available_cores() // settings.workers))
    threading.Thread(target=_reload_when_requested, args=(models, reloads), daemon=True).start()
    return create_app(models, settings)


def _reload_when_requested(models: Models, reloads: Any) -> None:
    completed = reloads.value
    while True:
        time.sleep(RELOAD_SECONDS)
        if completed == (requested := reloads.value):
            continue
        completed = requested
        try:
            changes = models.reload()
        except OceanPathError as error:
            log.error("the bundles were not reloaded, the earlier models stay in use: %s", error)
        else:
            log.warning("reloaded: %s", "; ".join(changes) or "no bundle changed")


@contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """A folder in which several workers add up their measurements."""
    if workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="oceanpath-metrics-") as folder:
        os.environ[SHARED_METRICS] = folder
        try:
            yield
        finally:
            del os.environ[SHARED_METRICS]
