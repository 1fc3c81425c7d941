"""How the server listens and what it allows. No torch, no numpy."""

import ipaddress

from pydantic import Field

from oceanpath.errors import ExperimentError
from oceanpath.settings import Settings


class ServeSettings(Settings):
    """Flags of the verb `serve`."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    allow_remote: bool = False
    """Listen beyond this machine. The server knows no users and no encryption: put a proxy before it that does."""
    threads: int | None = Field(None, ge=1)
    """Threads of one inference; default: the processors this process may use."""
    max_body_mib: int = Field(512, ge=1, le=16384)
    """Largest request body, and largest features unpacked, in MiB."""
    max_patches: int = Field(200_000, ge=1)
    """Most patches of one slide."""
    max_waiting: int = Field(8, ge=1)
    """Questions that are read or answered at once; one more gets 503."""
    body_seconds: float = Field(60.0, gt=0)
    """Time in which a whole body must arrive."""

    def hold(self) -> None:
        """Refuse a host that others can reach, unless that was asked for.

        Raises: ExperimentError: the host is not of this machine alone and `allow_remote` is not set.
        """
        if not self.allow_remote and not is_loopback(self.host):
            raise ExperimentError(
                "the server has no users and no encryption, and this host can be reached by others",
                where="--host",
                expected="127.0.0.1, ::1 or localhost",
                got=self.host,
                do="Put a proxy before it, or say --allow-remote.",
            )


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine and nothing else; names other than localhost are not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
