"""`blank_slides.txt` in a store: ids of slides that were processed and have no patches, sorted, one per line.

They have no bag; the list explains why. Without such a file there are none.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from oceanpath.errors import ArtifactError

NAME = "blank_slides.txt"


def write_blank(store: Path, slide_ids: Iterable[str]) -> None:
    """Write the ids into the folder of a store; no file if there are none."""
    if names := sorted(slide_ids):
        (store / NAME).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def read_blank(store: Path) -> list[str]:
    """The ids of the blank slides of a store, sorted.

    Raises: ArtifactError: the list exists and cannot be read.
    """
    try:
        return (store / NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError("the list of blank slides cannot be read", where=store / NAME, got=error) from error
