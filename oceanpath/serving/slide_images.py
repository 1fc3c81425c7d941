"""The slides of a configured folder by their ids, opened when they are needed.

The ids are listed once, when the server starts. A client names an id, never a path.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from oceanpath.errors import ExperimentError, OceanPathError
from oceanpath.folders import list_folder
from oceanpath.serving.errors import BadSlideError, RequestError, UnknownSlideError
from oceanpath.serving.slide_folder import check_is_id
from oceanpath.slides.folder import KNOWN, group_by_id, one_file_each, slide_files
from oceanpath.slides.reader import SlideReader, open_slide

MOST_OPEN = 8
"""Number of slides that stay open; opening one can take seconds."""
UNKNOWN_MPP = 1.0
"""A slide without resolution is shown too: its pixels have coordinates."""


@dataclass
class _Opened:
    reader: SlideReader
    users: int = 0


class SlideImages:
    """The slides of one folder. Thread-safe."""

    def __init__(self, files: dict[str, Path], *, is_configured: bool) -> None:
        self._files, self._is_configured = files, is_configured
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._lock = Lock()

    @property
    def ids(self) -> list[str]:
        """Ids of the slides, sorted."""
        return sorted(self._files)

    @classmethod
    def open(cls, path: Path | None) -> SlideImages:
        """The slides in a folder and the folders below it; none without a path.

        Raises: ExperimentError: the folder cannot be read, has no slides, or two of one id.
        """
        if path is None:
            return cls({}, is_configured=False)
        where = f"--slides {path}"
        try:
            found = group_by_id(slide_files(path, list_folder(path)))
        except OSError as error:
            do = "Name a folder of slides."
            raise ExperimentError("the folder of slides cannot be read", where=where, got=error, do=do) from error
        if not found:
            raise ExperimentError("the folder contains no slides", where=where, expected=" ".join(KNOWN))
        return cls(one_file_each(found, path, where), is_configured=True)

    @contextmanager
    def reader(self, slide_id: str) -> Iterator[SlideReader]:
        """An open slide; it is closed later, when other slides are needed.

        Raises: RequestError: not an id, unknown, or the slide cannot be read, inside the block too.
        """
        check_is_id(slide_id)
        if not self._is_configured:
            do = "Start the server with --slides DIR."
            raise UnknownSlideError("this server has no slides", got=slide_id, do=do)
        if slide_id not in self._files:
            raise UnknownSlideError("no such slide", got=slide_id, do="GET /slides lists all slides.")
        with _as_request_error():
            opened = self._use(slide_id)
            try:
                yield opened.reader
            finally:
                self._return(opened)

    def close(self) -> None:
        """Close all slides; none may be in use."""
        with self._lock:
            while self._opened:
                self._opened.popitem()[1].reader.close()

    def _use(self, slide_id: str) -> _Opened:
        with self._lock:
            opened = self._opened.get(slide_id)
            if opened is None:
                reader = open_slide(self._files[slide_id], default_mpp=UNKNOWN_MPP, to_srgb=True)
                opened = self._opened[slide_id] = _Opened(reader)
            opened.users += 1
            self._opened.move_to_end(slide_id)
            self._close_unused()
        return opened

    def _return(self, opened: _Opened) -> None:
        with self._lock:
            opened.users -= 1
            self._close_unused()

    def _close_unused(self) -> None:
        """Close the slides that were not used for the longest time, up to `MOST_OPEN`."""
        for name in [name for name, opened in self._opened.items() if not opened.users]:
            if len(self._opened) <= MOST_OPEN:
                return
            self._opened.pop(name).reader.close()


@contextmanager
def _as_request_error() -> Iterator[None]:
    """Errors of slides as those of a request, without the path of the file."""
    try:
        yield
    except RequestError:
        raise
    except OceanPathError as error:
        do = "Check the file in the folder of --slides."
        raise BadSlideError(error.what, expected=error.expected, got=error.got, do=do) from error
