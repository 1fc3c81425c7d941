"""A process with a maker's library in it: started for one slide, asked, given up when it dies or is silent too long."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.errors import ArtifactError, MissingExtraError, StageError
from oceanpath.slides.readers.sdk import child
from oceanpath.slides.readers.sdk.sdks import Sdk, surroundings
from oceanpath.subprocess_worker import Worker, WorkerDiedError, WorkerError, WorkerHangsError, module_command

REFUSALS = {"error", "unloadable"}
LEAVE_OUT = "Open it with the maker's program and export SVS or pyramidal TIFF, or leave it out with extract.exclude."


class SdkProcess:
    """A child with one slide open. Safe from several threads, which wait for each other."""

    def __init__(self, path: Path, maker: Sdk, limit_s: float) -> None:
        """Start it; nothing is opened yet.

        Args:
            path: The slide.
            maker: The package that reads it.
            limit_s: Seconds after which one request is given up.
        """
        self._path, self._maker, self._limit_s = path, maker, limit_s
        self._worker = Worker(module_command(child.__name__, path.suffix.lower()), surroundings(maker))

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._worker.pid

    def ask(self, request: Mapping[str, Any], refused: str, count: int = 0) -> tuple[dict[str, Any], memoryview]:
        """Reply and payload of one request.

        Args:
            request: See `oceanpath.slides.readers.sdk.child`.
            refused: What to say where the library raises.
            count: Bytes of the payload, where it does not.

        Raises:
            ArtifactError: the library refused, in its own words.
            MissingExtraError: the library cannot be loaded.
            StageError: the process died, did not answer within `limit_s` or sent no reply. It is gone then.
        """
        try:
            reply, payload = self._worker.ask(request, self._limit_s, most=count)
        except WorkerError as fault:
            raise self._gone(fault) from fault
        if not REFUSALS & set(reply) and len(payload) != count:
            self._worker.close()
            raise self._fault("talked nonsense", f"{len(payload)} bytes for {count}")
        if error := reply.get("error"):
            raise ArtifactError(refused, where=self._path, got=error, do=LEAVE_OUT)
        if "unloadable" in reply:
            do = f"Mend its installation. {self._maker.note}".strip()
            what = f"{self._maker.name} cannot be loaded"
            raise MissingExtraError(what, where=self._path, got=reply["unloadable"], do=do)
        return reply, payload

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _gone(self, error: WorkerError) -> StageError:
        if isinstance(error, WorkerHangsError):
            return self._fault("hangs", f"no answer within {self._limit_s:g} s", "Raise extract.vendor_limit_s, or ")
        return self._fault("died" if isinstance(error, WorkerDiedError) else "talked nonsense", error)

    def _fault(self, what: str, got: object, do: str = "") -> StageError:
        advice = f"{do}{LEAVE_OUT[0].lower()}{LEAVE_OUT[1:]}" if do else LEAVE_OUT
        return StageError(f"{self._maker.name} {what} on this slide", where=self._path, got=got, do=advice)
