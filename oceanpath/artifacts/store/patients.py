"""The slides of a store as bags of patients; see `oceanpath.artifacts.patient_bags`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from oceanpath.artifacts.patient_bags import read_patient_bags, shifted, slide_shifts
from oceanpath.artifacts.store.index import Index
from oceanpath.artifacts.store.reader import Store


class Part(NamedTuple):
    """One slide of a bag."""

    slide: int
    """Its number in the store of slides."""
    first: int
    """The first row of the slide in the bag."""
    last: int
    """The row after its last."""


class PatientStore(Store):
    """A store whose bags are unions of the bags of slides, with the same methods as `Store`.

    The bag of a patient with one slide is that of the slide. No union is kept: features of several slides are read one
    slide after the other.
    """

    def __init__(self, slides: Store, bags: Mapping[str, Sequence[str]]) -> None:
        """`bags` is patient → slides. Raises: ArtifactError: a slide is not in the store."""
        self.path, self.adopted_root, self.checks = slides.path, slides.adopted_root, slides.checks
        self.slides, self.bags = slides, {name: tuple(bags[name]) for name in sorted(bags, key=str.encode)}
        numbers = [[slides.number(name) for name in own] for own in self.bags.values()]
        lengths = [np.cumsum([0, *(slides.length(i) for i in own)]).tolist() for own in numbers]
        self._parts = [
            [Part(i, first, last) for i, (first, last) in zip(own, pairwise(rows), strict=True)]
            for own, rows in zip(numbers, lengths, strict=True)
        ]
        self._shifts: dict[int, NDArray[np.int32]] = {}
        self.index = _index(slides.index, self.bags, numbers)

    def __reduce__(self) -> Any:
        return PatientStore, (self.slides, self.bags)

    def parts(self, i: int) -> list[Part]:
        """The slides of bag `i`."""
        return self._parts[i]

    def stored(self, i: int) -> NDArray[Any]:
        """See `Store.stored`; a copy if the patient has several slides."""
        bags = [self.slides.stored(part.slide) for part in self._parts[i]]
        return bags[0] if len(bags) == 1 else np.concatenate(bags)

    def coords(self, i: int) -> NDArray[np.int32] | None:
        """See `Store.coords`; a copy, with the slides next to each other, if the patient has several."""
        own = self._slide_coords(i)
        if len(own) < 2:
            return own[0] if own else None
        if i not in self._shifts:
            self._shifts[i] = slide_shifts(own, where=self.slide_id(i))
        return shifted(own, self._shifts[i])

    def _slide_coords(self, i: int) -> list[NDArray[np.int32]]:
        """The coordinates of each slide as stored; none if the store has none."""
        found = [self.slides.coords(part.slide) for part in self._parts[i]]
        return [coords for coords in found if coords is not None]

    def take(self, i: int, rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        """See `Store.take`."""
        for part, at in self._pieces(i, rows):
            self.slides.take(part.slide, rows[at] - part.first, out[at])

    def _pieces(self, i: int, rows: NDArray[np.int64]) -> Iterator[tuple[Part, slice]]:
        """The slides that sorted `rows` of a bag are of, with their positions among the rows."""
        for part in self._parts[i]:
            first, last = np.searchsorted(rows, [part.first, part.last])
            if first < last:
                yield part, slice(int(first), int(last))

    def read_features(self, i: int, out: memoryview, start: int = 0) -> None:
        """See `Store.read_features`."""
        row_bytes, at = self.dim * self.dtype.itemsize, 0
        for part in self._parts[i]:
            begin, end = max(start, part.first * row_bytes), min(start + len(out), part.last * row_bytes)
            if begin < end:
                piece = out[at : at + end - begin]
                self.slides.read_features(part.slide, piece, begin - part.first * row_bytes)
                at += end - begin

    def expect(self, numbers: Iterable[int]) -> None:
        """See `Store.expect`."""
        self.slides.expect(part.slide for number in numbers for part in self._parts[number])

    def digest(self, i: int) -> str:
        """See `Store.digest`: xxh3-128 of the digests of the slides; that of the slide if there is one."""
        return _joined([self.slides.digest(part.slide) for part in self._parts[i]])

    def verify(self, i: int) -> None:
        """See `Store.verify`."""
        for part in self._parts[i]:
            self.slides.verify(part.slide)


def open_bags(mmap: Path, unit: Path, *, check: bool = True) -> Store:
    """The bags of a store: those of patients if the folder `unit` has patient_bags.parquet, otherwise those of slides.

    Args:
        mmap: The store.
        unit: What `split` or `train` published.
        check: Whether to verify a bag at its first read.

    Raises: ArtifactError: a file is damaged, or a slide is not in the store.
    """
    slides, bags = Store(mmap, check=check), read_patient_bags(unit)
    return PatientStore(slides, bags) if bags else slides


def bags_of(store: Store) -> Mapping[str, tuple[str, ...]]:
    """Patient → slides of a store of patients; empty for a store of slides."""
    return store.bags if isinstance(store, PatientStore) else {}


def slides_of(store: Store) -> Store:
    """The store of slides below a store of patients; a store of slides itself."""
    return store.slides if isinstance(store, PatientStore) else store


def _index(slides: Index, bags: Mapping[str, Sequence[str]], numbers: Sequence[Sequence[int]]) -> Index:
    """The index of the patients; positions in files have no meaning."""
    nowhere = np.full(len(bags), -1, np.int64)
    digests = [[slides.digests[i].decode() for i in own] for own in numbers]
    return replace(
        slides,
        slide_ids=np.array([name.encode() for name in bags], dtype=np.bytes_),
        lengths=_sums(slides.lengths, numbers),
        raw_lengths=_sums(slides.raw_lengths, numbers),
        chunk_ids=nowhere,
        feature_offsets=nowhere,
        coord_offsets=nowhere,
        digests=np.array([_joined(own).encode() for own in digests], dtype=np.bytes_),
        patch_px_level0=np.array([_common(slides.patch_px_level0[list(own)]) for own in numbers], np.float64),
    )


def _sums(lengths: NDArray[np.int64], numbers: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.array([int(lengths[list(own)].sum()) for own in numbers], np.int64)


def _joined(digests: Sequence[str]) -> str:
    return digests[0] if len(digests) == 1 else xxhash.xxh3_128_hexdigest("\n".join(digests).encode())


def _common(sides: NDArray[np.float64]) -> float:
    """The side of the patches if all slides have the same; otherwise NaN."""
    return float(sides[0]) if len(set(sides.tolist())) == 1 else float("nan")
