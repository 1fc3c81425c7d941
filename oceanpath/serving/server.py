"""The verb `serve`: one granian worker around the application."""

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
from oceanpath.serving.engine import Engine
from oceanpath.serving.offline import find_bundle
from oceanpath.serving.settings import ServeSettings

HEADER_MILLISECONDS = 5_000
DRAIN_SECONDS = 30
"""Answers that are being computed may finish after a stop was asked for."""


def serve(path: Path, settings: ServeSettings, announce: Callable[[str], None]) -> None:
    """Serve the bundle below `path` until SIGINT or SIGTERM; requests in work are answered first.

    Args:
        path: The bundle's folder, or one that holds it.
        settings: Where to listen and what to allow.
        announce: Gets one line when the port is open.

    Raises:
        ExperimentError: no bundle, a host that others can reach, or a port that is taken.
        ArtifactError: the bundle is damaged.
        SystemExit: 1 when the worker could not start.
    """
    settings.hold()
    bundle = read_bundle(find_bundle(path))  # before the worker starts, so that a damaged bundle is one clear error
    address = "127.0.0.1" if settings.host == "localhost" else settings.host.strip("[]")
    _check_port_is_free(address, settings.port)
    # started afresh: a fork would have the main process's handlers, and not hear a SIGTERM before it has its own
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
    shown = f"[{address}]" if ":" in address else address
    said = f"{bundle.facts.name} (model {bundle.facts.digest[:12]}) at http://{shown}:{settings.port}"
    server.on_startup(lambda: announce(said))
    server.serve(target_loader=partial(_load, bundle.path, settings), wrap_loader=False)


def _load(path: Path, settings: ServeSettings) -> ASGIApp:
    """In the worker: verify again, test the engine on its golden bag, and only then answer."""
    end_with_parent()
    return create_app(Engine.load(path, settings.threads), settings)


def _check_port_is_free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            do = "Choose another --port or --host."
            raise ExperimentError("cannot listen here", where=f"{address}:{port}", got=error.strerror, do=do) from error
