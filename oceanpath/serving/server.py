"""The command `serve`: the application in one granian worker."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from litestar.types import ASGIApp

from oceanpath.artifacts.bundle.folder import read_bundle
from oceanpath.child_process import end_with_parent
from oceanpath.errors import ExperimentError
from oceanpath.serving.app import create_app
from oceanpath.serving.embedder import open_bundle
from oceanpath.serving.offline import find_bundle
from oceanpath.serving.settings import ServeSettings

HEADER_MILLISECONDS = 5_000
DRAIN_SECONDS = 30
"""Time for current requests to finish after the server is stopped."""


def serve(path: Path, settings: ServeSettings, announce: Callable[[str], None]) -> None:
    """Serve the bundle in `path` until SIGINT or SIGTERM; current requests are completed first.

    Args:
        path: The folder of the bundle, or its parent.
        settings: Address and limits.
        announce: Called with one line when the port is open.

    Raises:
        ExperimentError: no bundle, a host that other machines can reach, or a port in use.
        ArtifactError: the bundle is damaged.
        SystemExit: 1, the worker could not start.
    """
    settings.check_host()
    bundle = read_bundle(find_bundle(path))  # before the worker starts: a damaged bundle is reported once
    address = "127.0.0.1" if settings.host == "localhost" else settings.host.strip("[]")
    _check_port_is_free(address, settings.port)
    # spawn: a forked worker would inherit the main process's handlers and ignore SIGTERM until it has its own
    multiprocessing.set_start_method("spawn", force=True)
    server = Granian(
        "oceanpath.serving",
        address=address,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=1,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS),
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=DRAIN_SECONDS,
    )
    host = f"[{address}]" if ":" in address else address
    line = f"{bundle.facts.name} (model {bundle.facts.digest[:12]}) at http://{host}:{settings.port}"
    server.on_startup(lambda: announce(line))
    server.serve(target_loader=partial(_load, bundle.path, settings), wrap_loader=False)


def _load(path: Path, settings: ServeSettings) -> ASGIApp:
    """In the worker: verify the bundle and test the engine before the first request."""
    end_with_parent()
    return create_app(open_bundle(read_bundle(path), settings.threads), settings)


def _check_port_is_free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            do = "Choose another --port or --host."
            raise ExperimentError(
                "cannot listen at this address", where=f"{address}:{port}", got=error.strerror, do=do
            ) from error
