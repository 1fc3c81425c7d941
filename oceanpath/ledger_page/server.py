"""The command `ledger serve`: the application in one granian worker, for this machine only."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import partial
from pathlib import Path

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from litestar.types import ASGIApp

from oceanpath.child_process import end_with_parent
from oceanpath.ledger_page.app import create_app
from oceanpath.serving.address import check_port_is_free

ADDRESS = "127.0.0.1"
DRAIN_SECONDS = 2
"""Time for open pages to be closed after the server is stopped; those of a run under way end with it."""


def serve(workspace: Path, port: int, announce: Callable[[str], None]) -> None:
    """Serve the pages of a workspace until SIGINT or SIGTERM.

    Args:
        workspace: The folder of all results; it has a ledger.
        port: Port to listen on.
        announce: Called with the address when the port is open.

    Raises:
        ExperimentError: the port is in use.
        SystemExit: 1, the worker could not start.
    """
    check_port_is_free(ADDRESS, port)
    multiprocessing.set_start_method("spawn", force=True)  # as `oceanpath.serving.server`
    server = Granian(
        "oceanpath.ledger_page",
        address=ADDRESS,
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=DRAIN_SECONDS,
    )
    server.on_startup(lambda: announce(f"http://{ADDRESS}:{port}"))
    server.serve(target_loader=partial(_load, workspace, port), wrap_loader=False)


def _load(workspace: Path, port: int) -> ASGIApp:
    """In the worker."""
    end_with_parent()
    return create_app(workspace, port)
