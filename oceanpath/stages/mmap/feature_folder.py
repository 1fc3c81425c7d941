"""A folder of feature files, with their digests and the selection of slides."""

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
    """Whether a stage of this workspace published it; otherwise it is outside the workspace."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Relative name → xxh3-128 of the file's bytes, if known."""
    selected: frozenset[str] | None = None
    """The selected slides; None for all."""
    versions: Mapping[str, Stamp] = field(default_factory=dict)
    """Relative name → stamp of the file with this digest, if known."""

    def name(self, path: Path) -> str:
        """The relative name of a file below the folder; faster than `Path.relative_to`."""
        return str(path).removeprefix(os.path.join(self.root, ""))  # noqa: PTH118  # with a trailing separator, which a Path drops

    def is_selected(self, slide: str) -> bool:
        """Whether a slide is selected."""
        return self.selected is None or slide in self.selected

    def find(self, known: Mapping[str, str]) -> dict[str, Path]:
        """Slide id → file, sorted by id, selected or not, except the files in `known` (relative name → slide id).

        Raises: ExperimentError: there are no files, or two have the same slide id.
        """
        if not self.digests:
            return find_features(self.root)
        if not known:  # files that appeared after the folder was digested belong to a later store
            return find_features(self.root, self.digests)
        files = features_by_id(self.root, (self.root / name for name in self.digests.keys() - known.keys()))
        if duplicates := sorted(files.keys() & set(known.values())):
            raise ExperimentError(
                "two feature files have the same slide id", where=self.root, got=", ".join(duplicates[:SHOWN])
            )
        return files
