"""What a published folder holds: its files in another folder without copying their bytes, and their digests."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from oceanpath.errors import ArtifactError

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
            link_file(path, place)


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
            link_file(path, Path(folder) / place.name)
            (Path(folder) / place.name).replace(place)
        new += 1
    return new


def link_file(path: Path, place: Path) -> None:
    """Make `path` appear at `place`: a hard link, or a copy where the file system has none."""
    try:
        os.link(path, place)
    except OSError:  # another disk, or a file system without hard links
        shutil.copyfile(path, place)


def is_published(folder: Path) -> bool:
    """Whether a folder is a published one, in the workspace where it was made."""
    place = folder.resolve()
    return (place / MANIFEST).is_file() and place.parent.parent.name in ("runs", "parts")


def sealed_digests(folder: Path) -> dict[str, str]:
    """Relative name → xxh3-128 of every file of a published folder, as its seal says; nothing where it has none.

    Raises: ArtifactError: the seal cannot be read.
    """
    try:
        sealed = json.loads((folder / MANIFEST).read_bytes())["files"]
        return {str(name): str(entry["digest"]) for name, entry in sealed.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError("the seal of a published folder cannot be read", where=folder, got=error) from error
