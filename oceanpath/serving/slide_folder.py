"""Features on this machine by slide id: a folder of feature files, or a store.

The ids are listed once, when the server starts. A client names an id, never a path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from oceanpath.artifacts.features.files import find_features
from oceanpath.artifacts.features.layouts import PATCH
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError
from oceanpath.serving.errors import BadFeaturesError, MalformedError, UnknownSlideError
from oceanpath.serving.hdf5 import open_file
from oceanpath.serving.prediction_request import Limits, PredictionRequest, validate_size
from oceanpath.serving.slide_inputs import StoredSlide, is_store

NOT_AN_ID = re.compile(r"[/\\\0]|^\.*$")
Read = Callable[[str, Limits, str], PredictionRequest]
"""Slide id, limits and level of the features → the slide."""


class SlideFolder:
    """The slides of one folder. Thread-safe."""

    def __init__(self, ids: list[str], read: Read | None) -> None:
        """`ids` are the slides that `read` can read; None reads none."""
        self.ids = ids
        self._known, self._read = frozenset(ids), read

    @classmethod
    def open(cls, path: Path | None, features_key: str = "") -> SlideFolder:
        """The slides in a folder of feature files or in a store; none without a path.

        Raises: ExperimentError: no feature files, or two of one slide. ArtifactError: the store is damaged.
        """
        if path is None:
            return cls([], None)
        if is_store(path):
            store = Store(path)
            return cls(store.slide_ids, lambda name, limits, _: _from_store(store, name, limits))
        files = find_features(path)

        def read(name: str, limits: Limits, level: str) -> PredictionRequest:
            if not files[name].exists():
                raise BadFeaturesError("the feature file of this slide no longer exists")
            return open_file(files[name], limits, "the feature file", features_key, level)

        return cls(sorted(files), read)

    def read(self, slide_id: str, limits: Limits, level: str = PATCH) -> PredictionRequest:
        """The features of a slide, which are of this level.

        Raises: RequestError: not an id, unknown, damaged or too large.
        """
        check_is_id(slide_id)
        if self._read is None:
            do = "Send the features, or start the server with --features DIR."
            raise UnknownSlideError("this server has no features of slides", got=slide_id, do=do)
        if slide_id not in self._known:
            raise UnknownSlideError("no such slide", got=slide_id, do="GET /slides lists all slides.")
        return self._read(slide_id, limits, level).with_defaults("", slide_id)


def check_is_id(slide_id: str) -> None:
    """Raise MalformedError if the text of a client is a path."""
    if NOT_AN_ID.search(slide_id):
        raise MalformedError("a slide id is not a path", expected="one of GET /slides", got=ascii(slide_id))


def _from_store(store: Store, name: str, limits: Limits) -> PredictionRequest:
    number = store.number(name)
    validate_size((store.length(number), store.dim), 4, limits)
    try:
        return StoredSlide(store, number).read()
    except ArtifactError as error:
        raise BadFeaturesError(error.what, expected=error.expected, got=error.got) from error
