"""Address and limits of the server. Imports neither torch nor numpy."""

import ipaddress

from pydantic import Field

from oceanpath.errors import ExperimentError
from oceanpath.settings import Settings


class ServeSettings(Settings):
    """Options of the command `serve`."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    allow_remote: bool = False
    """Accept connections from other machines. The server has no authentication or encryption: use a proxy."""
    threads: int | None = Field(None, ge=1)
    """Number of threads per inference; default: all available cores."""
    max_body_mib: int = Field(512, ge=1, le=16384)
    """Maximum size of a request body, and of decompressed features, in MiB."""
    max_patches: int = Field(200_000, ge=1)
    """Maximum number of patches per slide."""
    max_waiting: int = Field(8, ge=1)
    """Maximum number of requests in progress; further ones receive status 503."""
    body_seconds: float = Field(60.0, gt=0)
    """Maximum time for receiving a body, in seconds."""

    def check_host(self) -> None:
        """Raise ExperimentError if other machines can reach the host and `allow_remote` is not set."""
        if not self.allow_remote and not is_loopback(self.host):
            raise ExperimentError(
                "other machines can reach this host, and the server has no authentication and no encryption",
                where="--host",
                expected="127.0.0.1, ::1 or localhost",
                got=self.host,
                do="Use a proxy, or add --allow-remote.",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; names other than localhost are not resolved."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
