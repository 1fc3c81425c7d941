"""`left_out.json` next to features and in a store: slides that were left out, with reasons.

    {"excluded": [slide_id], "failed": {slide_id: reason}}

`excluded` slides were left out on request; `failed` slides could not be used, which the settings allowed. The reasons
are used when features are joined with a table. Without the file, no slide was left out. Blank slides have a list
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
    """Slides that were left out, with reasons."""

    excluded: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    """Slide id → reason."""

    def __bool__(self) -> bool:
        return bool(self.excluded or self.failed)

    def without(self, present: frozenset[str]) -> LeftOut:
        """The same without the slides that are `present`."""
        failed = {name: reason for name, reason in self.failed.items() if name not in present}
        return LeftOut(tuple(name for name in self.excluded if name not in present), failed)

    def text(self) -> str:
        """The contents of the file: the same for the same slides."""
        content = {"excluded": sorted(self.excluded), "failed": dict(self.failed)}
        return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def without_coords_text(reason: str, root: Path) -> str:
    """A reason with file names instead of paths, so that the list of a cohort does not depend on its location."""
    return PLACE.sub("", reason.replace(f"{root}/", ""))


def write_left_out(folder: Path, left_out: LeftOut) -> None:
    """Write the list into `folder`; no file if it is empty."""
    if left_out:
        (folder / NAME).write_text(left_out.text(), encoding="utf-8")


def read_left_out(folder: Path) -> LeftOut:
    """The list of a folder.

    Raises: ArtifactError: the list exists and cannot be read.
    """
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
        failed = {str(name): str(reason) for name, reason in content["failed"].items()}
        return LeftOut(tuple(map(str, content["excluded"])), failed)
    except FileNotFoundError:
        return LeftOut()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        where = folder / NAME
        raise ArtifactError("the list of slides that were left out cannot be read", where=where, got=error) from error
