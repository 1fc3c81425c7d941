"""Put the files of published parts into one folder without copying their bytes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MANIFEST = "manifest.json"


def link_tree(source: Path, target: Path) -> None:
    """Make every file below `source`, but for its manifest, appear below `target`.

    Files are hard links where the file system can; otherwise copies.
    """
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif path.relative_to(source).as_posix() != MANIFEST:
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(path, place)


def _link(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError:  # another disk, or a file system without hard links
        shutil.copyfile(path, place)
