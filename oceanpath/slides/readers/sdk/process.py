"""A child process with an SDK, for one slide; it is ended if it does not answer in time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.errors import ArtifactError, MissingExtraError, StageError
from oceanpath.slides.readers.sdk import child
from oceanpath.slides.readers.sdk.sdks import Sdk, sdk_environment
from oceanpath.subprocess_worker import Worker, WorkerDiedError, WorkerError, WorkerHangsError, module_command

FAILURES = {"error", "unloadable"}
LEAVE_OUT = "Export it as SVS or pyramidal TIFF with the vendor's program, or leave it out with extract.exclude."


class SdkProcess:
    """A child with one slide open. Safe from several threads, which wait for each other."""

    def __init__(self, path: Path, sdk: Sdk, limit_s: float) -> None:
        """Start the process; the slide is opened by a request.

        Args:
            path: The slide.
            sdk: The package that reads it.
            limit_s: Time limit of one request, in seconds.
        """
        self._path, self._sdk, self._limit_s = path, sdk, limit_s
        self._worker = Worker(module_command(child.__name__, path.suffix.lower()), sdk_environment(sdk))

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._worker.pid

    def ask(self, request: Mapping[str, Any], failure: str, count: int = 0) -> tuple[dict[str, Any], memoryview]:
        """Reply and payload of one request.

        Args:
            request: See `oceanpath.slides.readers.sdk.child`.
            failure: Message for an exception of the library.
            count: Number of bytes of the payload otherwise.

        Raises:
            ArtifactError: the library raised; the message repeats its error.
            MissingExtraError: the library cannot be loaded.
            StageError: the process ended unexpectedly, did not answer within `limit_s` or sent an invalid reply.
        """
        try:
            reply, payload = self._worker.ask(request, self._limit_s, most=count)
        except WorkerError as error:
            raise self._worker_error(error) from error
        if not FAILURES & set(reply) and len(payload) != count:
            self._worker.close()
            raise self._fault("sent an invalid reply", f"{len(payload)} bytes instead of {count}")
        if message := reply.get("error"):
            raise ArtifactError(failure, where=self._path, got=message, do=LEAVE_OUT)
        if "unloadable" in reply:
            do = f"Repair its installation. {self._sdk.note}".strip()
            what = f"{self._sdk.name} cannot be loaded"
            raise MissingExtraError(what, where=self._path, got=reply["unloadable"], do=do)
        return reply, payload

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _worker_error(self, error: WorkerError) -> StageError:
        if isinstance(error, WorkerHangsError):
            return self._fault(
                "timed out", f"no answer within {self._limit_s:g} s", "Increase extract.vendor_limit_s, or "
            )
        return self._fault(
            "ended unexpectedly" if isinstance(error, WorkerDiedError) else "sent an invalid reply", error
        )

    def _fault(self, what: str, got: object, do: str = "") -> StageError:
        advice = f"{do}{LEAVE_OUT[0].lower()}{LEAVE_OUT[1:]}" if do else LEAVE_OUT
        return StageError(f"{self._sdk.name} {what} while reading this slide", where=self._path, got=got, do=advice)
