"""`left_out.json` beside features and in a store: slides that are not in it, and why.

    {"excluded": [slide_id], "failed": {slide_id: reason}}

`excluded` were left out on request, `failed` were tried and could not be used, which was allowed. A join of the
features with a table takes the reasons from it. No such file means that there are none. Blank slides have a list
of their own, `oceanpath.artifacts.store.blank_slides`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from oceanpath.errors import ArtifactError

NAME = "left_out.json"
PLACE = re.compile(r"(?<![\w.:/])/(?:[^/\s]+/)+")
"""The folders of an absolute path."""


@dataclass(frozen=True)
class LeftOut:
    """Slides that are not there, and why."""

    excluded: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    """Slide id → reason."""

    def __bool__(self) -> bool:
        return bool(self.excluded or self.failed)

    def without(self, present: frozenset[str]) -> LeftOut:
        """Those that are not `present` after all."""
        failed = {name: reason for name, reason in self.failed.items() if name not in present}
        return LeftOut(tuple(name for name in self.excluded if name not in present), failed)

    def text(self) -> str:
        """The contents of the file: the same for the same slides."""
        found = {"excluded": sorted(self.excluded), "failed": dict(self.failed)}
        return json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def without_coords_text(reason: str, root: Path) -> str:
    """A reason that names files by the end of their paths, so that a cohort has the same list wherever it lies."""
    return PLACE.sub("", reason.replace(f"{root}/", ""))


def write_left_out(folder: Path, left_out: LeftOut) -> None:
    """Write the list into `folder`; no file where there are none."""
    if left_out:
        (folder / NAME).write_text(left_out.text(), encoding="utf-8")


def read_left_out(folder: Path) -> LeftOut:
    """The list of a folder.

    Raises: ArtifactError: the list is there and cannot be read.
    """
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        failed = {str(name): str(reason) for name, reason in found["failed"].items()}
        return LeftOut(tuple(map(str, found["excluded"])), failed)
    except FileNotFoundError:
        return LeftOut()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        where = folder / NAME
        raise ArtifactError("the list of slides that were left out cannot be read", where=where, got=error) from error
