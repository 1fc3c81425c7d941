"""What the feature files of a folder contain, without reading their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oceanpath.artifacts.features.files import layout_of
from oceanpath.artifacts.features.layouts import PATCH, FeatureLayout, without_count
from oceanpath.errors import ArtifactError, shorten_lines

MAX_SHOWN = 5


@dataclass(frozen=True)
class FeatureSummary:
    """The layouts of several feature files."""

    layouts: Mapping[str, FeatureLayout]
    """Slide id → layout, for the files that can be read."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Slide id → reason."""

    def kinds(self) -> Counter[str]:
        """Description of a layout → number of files."""
        return Counter(without_count(each.layout) for each in self.layouts.values())

    def encoders(self) -> Counter[str]:
        """Encoder → number of files; "" if not stated."""
        return Counter(each.encoder for each in self.layouts.values())

    def bag_sizes(self) -> list[int]:
        """Patches per slide, sorted, without blank slides."""
        return sorted(each.n for each in self.layouts.values() if not each.blank)

    def with_coords(self) -> int:
        """Number of files with usable coordinates."""
        return sum(each.has_coords for each in self.layouts.values())

    def lines(self) -> list[str]:
        """The summary for people, one fact per line."""
        sizes = self.bag_sizes()
        lines = [f"{count_files(count)}: {kind}" for kind, count in self.kinds().most_common()]
        if sizes:
            middle = sizes[len(sizes) // 2]
            lines.append(f"patches per slide: {sizes[0]} to {sizes[-1]}, median {middle}, {sum(sizes)} in total")
        stated = [f"{name or 'not stated'} ({count})" for name, count in self.encoders().most_common()]
        lines += [f"encoder: {', '.join(stated)}"] if stated else []
        if blank := len(self.layouts) - len(sizes):
            lines.append(f"blank slides, without a patch: {blank}")
        if without := len(self.layouts) - self.with_coords():
            lines.append(f"without coordinates: {count_files(without)}")
        lines += [f"cannot be read: {reason}" for reason in shorten_lines(list(self.unreadable.values()), MAX_SHOWN)]
        return lines

    def record(self) -> dict[str, Any]:
        """The same facts for programs."""
        return {
            "files": len(self.layouts) + len(self.unreadable),
            "layouts": dict(self.kinds()),
            "dims": sorted({each.dim for each in self.layouts.values()}),
            "encoders": dict(self.encoders()),
            "patches": self.bag_sizes(),
            "with_coords": self.with_coords(),
            "unreadable": dict(self.unreadable),
        }


def count_files(number: int, kind: str = "file") -> str:
    """A number of files in words: ``1 file``, ``2 files``."""
    return f"{number} {kind}{'s' * (number != 1)}"


def summarise_features(files: Mapping[str, Path], wanted: str = "", level: str = PATCH) -> FeatureSummary:
    """The layouts of feature files; a file that cannot be read is listed with the reason.

    Args:
        files: Slide id → feature file.
        wanted: Name of the features (`data.features_key`), if files contain several arrays.
        level: Of the features (`data.level`).
    """
    layouts, unreadable = dict[str, FeatureLayout](), dict[str, str]()
    for name, path in files.items():
        try:
            layouts[name] = layout_of(path, wanted, level)
        except ArtifactError as error:
            unreadable[name] = error.render()
    return FeatureSummary(layouts, unreadable)
