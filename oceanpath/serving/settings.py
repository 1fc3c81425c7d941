"""Address and limits of the server. Imports neither torch nor numpy."""

import ipaddress
import os
from pathlib import Path

from pydantic import Field, SecretStr

from oceanpath.errors import ExperimentError
from oceanpath.settings import Settings

KEY_VARIABLE = "OCEANPATH_API_KEY"
SHORTEST_KEY = 16


class ServeSettings(Settings):
    """Options of the command `serve`."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    allow_remote: bool = False
    """Accept connections from other machines. The server has no encryption: use a proxy, and keys."""
    keys: tuple[SecretStr, ...] = ()
    """Accepted keys of clients; without keys every request is accepted."""
    audit_log: Path | None = None
    """File to which one line of JSON per predicted slide is appended."""
    features: Path | None = None
    """Folder of feature files, or a store, whose slides are predicted by their ids."""
    features_key: str = ""
    """Name of the features in files with several arrays that may be features."""
    slides: Path | None = None
    """Folder of slides, whose pixels the page shows."""
    workers: int = Field(1, ge=1)
    """Number of processes that answer requests; each has its own copy of the models and its own limits."""
    threads: int | None = Field(None, ge=1)
    """Number of threads per inference; default: the available cores, divided by the workers."""
    max_body_mib: int = Field(512, ge=1, le=16384)
    """Maximum size of a request body, and of decompressed features, in MiB."""
    max_patches: int = Field(200_000, ge=1)
    """Maximum number of patches per slide."""
    max_batch: int = Field(64, ge=1)
    """Maximum number of slides per batch."""
    max_waiting: int = Field(8, ge=1)
    """Maximum number of requests in progress; further ones receive status 429."""
    answer_seconds: float = Field(120.0, gt=0)
    """Maximum time from a complete body to its prediction, in seconds."""
    body_seconds: float = Field(60.0, gt=0)
    """Maximum time for receiving a body, in seconds."""

    def check_host(self) -> None:
        """Raise ExperimentError if other machines can reach the host and `allow_remote` is not set."""
        if not self.allow_remote and not is_loopback(self.host):
            raise ExperimentError(
                "other machines can reach this host, and the server has no encryption",
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


def read_keys(file: Path | None) -> tuple[SecretStr, ...]:
    """The keys in a file, one per line, or else the key in the environment variable `KEY_VARIABLE`.

    Raises: ExperimentError: the file cannot be read or has no key, or a key is too short.
    """
    where, text = KEY_VARIABLE, os.environ.get(KEY_VARIABLE, "")
    if file is not None:
        where = f"--api-key-file {file}"
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            do = "Name a text file with one key per line."
            raise ExperimentError("the keys cannot be read", where=where, got=type(error).__name__, do=do) from error
    keys = [line.strip() for line in text.splitlines() if line.strip()]
    if (file is not None and not keys) or any(len(key) < SHORTEST_KEY for key in keys):
        do = "Write a random key, for example of `openssl rand -hex 32`."
        raise ExperimentError("a key is missing or short", where=where, expected=f"{SHORTEST_KEY} characters", do=do)
    return tuple(SecretStr(key) for key in keys)
