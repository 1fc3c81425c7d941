"""Objects in S3-compatible storage or Google Cloud Storage, read through obstore.

Only the address of a bucket that the user wrote is contacted, or the endpoint that the user set. Credentials are those
of environment variables: without them, obstore would ask a metadata service of the network for some.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from oceanpath.errors import ArtifactError, ExperimentError, MissingExtraError, OceanPathError, StageError

ADDRESS = re.compile(r"(s3|gs)://[^/\s?#]+(/[^\s?#]*)?")
CREDENTIALS = {
    "s3": (
        *("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_METADATA_ENDPOINT"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ),
    "gs": (
        *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"),
        *("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_SKIP_SIGNATURE"),
    ),
}
"""Scheme → environment variables, of which at least one is set."""
HOW = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for a public bucket AWS_SKIP_SIGNATURE=true; for the role"
    " of an EC2 instance AWS_METADATA_ENDPOINT=http://169.254.169.254.",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account; for a public bucket"
    " GOOGLE_SKIP_SIGNATURE=true.",
}
ENDPOINT, ALLOW_HTTP = "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP"
DOWNLOAD_BYTES = 8 << 20
MESSAGE = 200
"""Maximum length of the client's message in an error."""
Failure = tuple[type[OceanPathError], str, str]
"""Class of the error, what is wrong, and what to do."""
TOO_SHORT: Failure = (ArtifactError, "an object ends before its last bag", "Upload the store again.")
CHANGED = "The store was uploaded again: use the new one with --force mmap."
DENIED = "Check the credentials in the environment, and their permission to list and to read."
REACHED = "Check the network, and the endpoint and region in the environment."
OTHER: Failure = (StageError, "the object storage does not answer", REACHED)
FAILURES: tuple[tuple[str, Failure], ...] = (
    ("NoSuchBucket", (ArtifactError, "there is no such bucket", "Check the address.")),
    ("FileNotFoundError", (ArtifactError, "there is no such object", "Check the address, and upload the store.")),
    ("PreconditionError", (ArtifactError, "an object changed since its index was read", CHANGED)),
    ("PermissionDeniedError", (StageError, "access is denied", DENIED)),
    ("UnauthenticatedError", (StageError, "access is denied", DENIED)),
    ("body error", (StageError, "the connection ended before the last byte", REACHED)),
    ("Range Not Satisfiable", TOO_SHORT),
    ("error: Requested ", TOO_SHORT),
)
"""Text in an error of the client, beginning with its class → failure; the first match applies."""


class StoredObject(NamedTuple):
    """Size in bytes and version of an object."""

    size: int
    etag: str


def open_client(address: str) -> Any:
    """The client of obstore for ``s3://BUCKET/PREFIX`` or ``gs://BUCKET/PREFIX``. Contacts nothing.

    Raises:
        ExperimentError: another text, or credentials or the endpoint in the environment are missing or wrong.
        MissingExtraError: obstore is not installed.
    """
    if not (match := ADDRESS.fullmatch(address)):
        expected = "s3://BUCKET/FOLDER or gs://BUCKET/FOLDER"
        raise ExperimentError("this is no address of object storage", expected=expected, got=address)
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        do = "Install it with: python -m pip install 'oceanpath[cloud]'"
        raise MissingExtraError("object storage needs a package", where=address, expected="obstore", do=do) from error
    if not any(os.environ.get(name, "").lower() not in ("", "false", "0") for name in CREDENTIALS[match[1]]):
        raise ExperimentError("there are no credentials in the environment", where=address, do=HOW[match[1]])
    endpoint = os.environ.get(ENDPOINT, "") if match[1] == "s3" else ""
    if endpoint and not re.match(r"https://|http://" if os.environ.get(ALLOW_HTTP) == "true" else "https://", endpoint):
        do = f"For an endpoint without TLS set {ALLOW_HTTP}=true."
        raise ExperimentError("the endpoint cannot be used", where=ENDPOINT, expected="https://…", got=endpoint, do=do)
    try:
        return from_url(address.rstrip("/"))
    except BaseError as error:
        what, do = "the variables in the environment are wrong", HOW[match[1]]
        raise ExperimentError(what, where=address, got=_words(error), do=do) from error


class ObjectFolder:
    """The objects below an address. Threads may share one."""

    def __init__(self, address: str) -> None:
        """Contacts nothing. Raises: as `open_client`."""
        self.address, self._store = address.rstrip("/"), open_client(address)

    def files(self) -> dict[str, StoredObject]:
        """The objects directly in this folder, by name. Raises: as `read`."""
        import obstore

        with self._requests(""):
            listed = obstore.list_with_delimiter(self._store)["objects"]
        return {each["path"]: StoredObject(int(each["size"]), each["e_tag"] or "") for each in listed}

    def download(self, name: str, out: Path) -> None:
        """Write a whole object to the new file `out`. Raises: as `read`."""
        import obstore

        with self._requests(name):
            pieces = obstore.get(self._store, name).stream(min_chunk_size=DOWNLOAD_BYTES)
            with out.open("xb") as file:
                for piece in pieces:
                    file.write(piece)

    def read(self, name: str, start: int, size: int, etag: str) -> memoryview:
        """`size` bytes of an object from byte `start`, by one request; `etag` is its version, "" for any.

        Raises:
            ArtifactError: there is no such bucket or object, it ends before the last byte, or it is another version.
            StageError: access is denied, the connection ended early each time, or the storage does not answer.
        """
        import obstore

        options: Any = {"range": (start, start + size), **({"if_match": etag} if etag else {})}
        with self._requests(name):
            content = memoryview(obstore.get(self._store, name, options=options).bytes())
        if len(content) != size:  # the object ends within the range
            raise self._error(TOO_SHORT, name, f"{len(content)} of {size} bytes from byte {start}")
        return content

    def _error(self, failure: Failure, name: str, got: str = "") -> OceanPathError:
        kind, what, do = failure
        return kind(what, where=f"{self.address}/{name}".rstrip("/"), got=got, do=do)

    @contextmanager
    def _requests(self, name: str) -> Iterator[None]:
        """Errors of the client become those of OceanPath."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (FileNotFoundError, BaseError) as error:
            text = f"{type(error).__name__} {error}"
            failure = next((failure for mark, failure in FAILURES if mark in text), OTHER)
            raise self._error(failure, name, "" if failure[0] is ArtifactError else _words(error)) from error


def _words(error: Exception) -> str:
    """The message of the client on one line, without its debug output."""
    return " ".join(str(error).partition("Debug source")[0].split())[:MESSAGE]
