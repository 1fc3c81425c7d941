"""Slides to be predicted: feature files, folders of them, and stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oceanpath.artifacts.cohort.ids import is_one_file, slide_id
from oceanpath.artifacts.features.files import find_features, layout_of, read_features, scan_features, stamp_of
from oceanpath.artifacts.features.layouts import PATCH, FeatureLayout
from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.artifacts.store.index import INDEX, Index
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError, ExperimentError, OceanPathError
from oceanpath.serving.prediction_request import PredictionRequest

Verify = Callable[[Path], None]
"""Raises ArtifactError if a published file differs from its digest."""
Key = dict[str, str | int]


def _accept(_path: Path) -> None:
    """Verify nothing."""


@contextmanager
def located(path: Path) -> Iterator[None]:
    """Errors of this block that name no file name `path`."""
    try:
        yield
    except OceanPathError as error:
        if error.where:
            raise
        raise ArtifactError(error.what, where=path, expected=error.expected, got=error.got, do=error.do) from error


@dataclass(frozen=True)
class FileSlide:
    """A slide in a feature file of its own."""

    path: Path
    name: str
    """Slide id according to the name of the file."""
    features_key: str = ""
    """Name of the array of features, if files contain several."""
    verify: Verify = _accept
    level: str = PATCH
    """Level of the features that the model reads."""

    def key(self) -> Key:
        """What identifies this version of the file. Raises: ArtifactError: there is no such file."""
        size, mtime_ns, _ = stamp_of(self.path)
        return {"path": str(self.path.resolve()), "size": size, "mtime_ns": mtime_ns}

    def layout(self) -> FeatureLayout:
        """Arrays and attributes of the file, without its rows. Raises: ArtifactError: it cannot be read."""
        return layout_of(self.path, self.features_key, self.level)

    def read(self) -> PredictionRequest:
        """The features of the slide. Raises: ArtifactError: the file is damaged, or not a feature file."""
        self.verify(self.path)
        scanned = scan_features(self.path, self.features_key, level=self.level)
        return PredictionRequest(*read_features(scanned), scanned.provenance).with_defaults("", self.name)


@dataclass(frozen=True)
class StoredSlide:
    """A slide in a store."""

    store: Store
    number: int

    @property
    def path(self) -> Path:
        """Folder of the store."""
        return self.store.path

    @property
    def name(self) -> str:
        """Slide id."""
        return self.store.slide_id(self.number)

    @property
    def patch_px_level0(self) -> float | None:
        """Side of a patch in level-0 pixels; None if it is unknown."""
        side = float(self.store.index.patch_px_level0[self.number])
        return None if np.isnan(side) else side

    def key(self) -> Key:
        """What identifies the content of the slide in this store."""
        digest = self.store.index.digests[self.number].decode()
        return {"path": str(self.path.resolve()), "slide": self.name, "digest": digest}

    def read(self) -> PredictionRequest:
        """The features of the slide. Raises: ArtifactError: they differ from their digest."""
        index, n = self.store.index, self.store.length(self.number)
        known = Provenance(
            self.name, index.encoder, patch_px_level0=self.patch_px_level0, stored_dtype=index.feature_dtype
        )
        total = int(index.raw_lengths[self.number])
        notes = (f"the store contains {n} of the {total} patches of the slide",) if n < total else ()
        return PredictionRequest(self.store.features(self.number), self.store.coords(self.number), known, notes)


SlideInput = FileSlide | StoredSlide


def find_inputs(
    paths: Sequence[Path], features_key: str = "", verify: Verify = _accept, level: str = PATCH
) -> list[SlideInput]:
    """The slides of feature files, folders of feature files and stores, sorted by slide id.

    Args:
        paths: Feature files, folders of them, and stores.
        features_key: Name of the array of features, if files contain several.
        verify: Called with every file before it is read.
        level: Level of the features that the model reads; `Contract.level`.

    Raises: ExperimentError: there are none, or two files of one slide. ArtifactError: the index of a store is damaged.
    """
    slides: dict[str, SlideInput] = {}
    for path in paths:
        for slide in _inputs_of(path, features_key, verify, level):
            known = slides.setdefault(slide.name, slide)
            if known is not slide and not _is_same(known, slide):
                got, do = f"{known.path} and {slide.path}", "Specify only one of the files."
                raise ExperimentError("two files have the same slide id", where=slide.name, got=got, do=do)
    if not slides:
        raise ExperimentError("nothing to predict", do="Specify feature files, or a folder of feature files.")
    return [slides[name] for name in sorted(slides)]


def is_store(path: Path) -> bool:
    """Whether a folder is a store."""
    return (path / INDEX).is_file()


def _inputs_of(path: Path, features_key: str, verify: Verify, level: str) -> list[SlideInput]:
    if is_store(path):
        verify(path / INDEX)
        Index.check(path)
        store = Store(path)
        return [StoredSlide(store, number) for number in range(len(store))]
    files = find_features(path) if path.is_dir() else {slide_id(path): path}
    return [FileSlide(file, name, features_key, verify, level) for name, file in files.items()]


def _is_same(one: SlideInput, other: SlideInput) -> bool:
    """Whether two inputs are one: the same file, or the same slide of one store."""
    return type(one) is type(other) and is_one_file(one.path, other.path)
