"""A folder of feature files and what is known of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oceanpath.artifacts.features.files import features_by_id, find_features
from oceanpath.artifacts.store.source_files import Stamp
from oceanpath.errors import ExperimentError

SHOWN = 20


@dataclass(frozen=True)
class FeatureFolder:
    """A folder of feature files."""

    root: Path
    published: bool = False
    """Whether a stage of this workspace made it; else it lies outside."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Relative name → xxh3-128 of the file's bytes, where somebody has told."""
    wanted: frozenset[str] | None = None
    """The only slides that are wanted; None for all."""
    versions: Mapping[str, Stamp] = field(default_factory=dict)
    """Relative name → the stamp of the file that has this digest, where somebody has told."""

    def name(self, path: Path) -> str:
        """The relative name of a file that was found below the folder, without taking it to pieces."""
        return str(path).removeprefix(os.path.join(self.root, ""))  # noqa: PTH118  # with a separator at its end, which a Path drops

    def wants(self, slide: str) -> bool:
        """Whether a slide is wanted."""
        return self.wanted is None or slide in self.wanted

    def find(self, known: Mapping[str, str]) -> dict[str, Path]:
        """Slide id → file, sorted by id, wanted or not, but for the files of `known` (relative name → slide id).

        Raises: ExperimentError: there are no files at all, or two have one slide id.
        """
        if not self.digests:
            return find_features(self.root)
        if not known:  # what appeared since the folder was digested belongs to another store
            return find_features(self.root, self.digests)
        found = features_by_id(self.root, (self.root / name for name in self.digests.keys() - known.keys()))
        if lookalikes := sorted(found.keys() & set(known.values())):
            raise ExperimentError(
                "two feature files have one slide id", where=self.root, got=", ".join(lookalikes[:SHOWN])
            )
        return found
