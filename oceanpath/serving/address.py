"""The address of a server."""

from __future__ import annotations

import socket

from oceanpath.errors import ExperimentError


def check_port_is_free(address: str, port: int) -> None:
    """Raise ExperimentError unless a server can listen at this IP address and port."""
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
