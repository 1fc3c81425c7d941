"""Hashes of the slides on which a model was trained: they identify a slide without revealing its name or features.

    training_slides.json   {"bags": [32 hex digits], "slides": [16 hex digits]}, both sorted

`bags` has the hashes of four patches of each bag as stored: the first, the last and two between. Another file of the
same features is recognised by them independently of its name, the order of its patches or a cap. `slides` has the
first digits of the digests of the slides themselves, if OceanPath extracted the features.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError

MARKS = 4
"""Number of hashed patches per bag; all must match, so that equal patches without tissue do not suffice."""
SLIDE_DIGITS = 16


@dataclass(frozen=True)
class TrainingSlides:
    """The hashes of a training cohort."""

    bags: NDArray[np.uint32]
    """[S, MARKS]."""
    slides: frozenset[str]

    def contains(self, stored: NDArray[Any], slide_digest: str = "") -> bool:
        """Whether a slide is a training slide, by its features [n, D] as stored or by the digest of the slide."""
        return self.recognise(self.match(stored), slide_digest)

    def match(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        """Which hashes [S, MARKS] are those of rows [n, D] as stored. Results for parts of a bag are joined by "or"."""
        return np.isin(self.bags, hash_rows(stored)) if len(self.bags) else np.zeros(self.bags.shape, bool)

    def recognise(self, matched: NDArray[np.bool_], slide_digest: str = "") -> bool:
        """Whether a slide is a training slide, by the result of `match` for all its rows or by its digest."""
        return slide_digest[:SLIDE_DIGITS] in self.slides or bool(matched.all(axis=1).any())

    def render(self) -> bytes:
        """The bytes of training_slides.json."""
        bags = sorted("".join(f"{mark:08x}" for mark in bag) for bag in self.bags.tolist())
        return (json.dumps({"bags": bags, "slides": sorted(self.slides)}, indent=0) + "\n").encode()

    @classmethod
    def parse(cls, content: bytes) -> TrainingSlides:
        """The hashes that `render` wrote. Raises: ArtifactError: the content is not of this form."""
        try:
            parsed = json.loads(content)
            marks = [[int(bag[at : at + 8], 16) for at in range(0, 8 * MARKS, 8)] for bag in parsed["bags"]]
            slides = frozenset(str(digest) for digest in parsed["slides"])
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError("the list of training slides cannot be read", got=error) from error
        return cls(np.array(marks, np.uint32).reshape(-1, MARKS), slides)

    @classmethod
    def of(cls, bags: Iterable[NDArray[Any]], slide_digests: Iterable[str] = ()) -> TrainingSlides:
        """The hashes of bags [n, D] as stored, and of the digests of slides."""
        marks = [hash_rows(bag[np.linspace(0, len(bag) - 1, MARKS).astype(int)]) for bag in bags]
        slides = frozenset(digest[:SLIDE_DIGITS] for digest in slide_digests)
        return cls(np.array(marks, np.uint32).reshape(-1, MARKS), slides)


def hash_rows(stored: NDArray[Any]) -> NDArray[np.uint32]:
    """xxh3-64 of each row's bytes, of which the lower half is kept."""
    rows = np.ascontiguousarray(stored)
    return np.array([xxhash.xxh3_64_intdigest(row.data) & 0xFFFFFFFF for row in rows], np.uint32)
