"""Put the files of published parts into one folder without copying their bytes."""

from __future__ import annotations

import os
import shutil
import tempfile
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


def lay_out(source: Path, target: Path) -> int:
    """Make every file below `source`, but for its manifest, appear below `target`, in place of what lies there.

    Each file is the old one or the new one, never a piece of it. Returns how many files are new.
    """
    new = 0
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / path.relative_to(source)
        if path == source / MANIFEST or (place.exists() and place.samefile(path)):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=place.parent) as folder:
            _link(path, Path(folder) / place.name)
            (Path(folder) / place.name).replace(place)
        new += 1
    return new


def _link(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError:  # another disk, or a file system without hard links
        shutil.copyfile(path, place)
