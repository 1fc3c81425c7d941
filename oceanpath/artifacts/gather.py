"""Files of a published folder: linked into another folder without copying bytes, and their digests."""

from __future__ import annotations

import errno
import filecmp
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from oceanpath.errors import ArtifactError

MANIFEST = "manifest.json"
REFUSALS = {
    errno.EACCES,
    errno.EMLINK,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EXDEV,
}
"""Errors of file systems that cannot link a file: exFAT, network mounts, another disk, another user's file."""


def link_tree(source: Path, target: Path) -> None:
    """Link every file below `source` except its manifest into `target`.

    Files are hard links if the file system supports them, otherwise copies.
    """
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif path.relative_to(source).as_posix() != MANIFEST:
            place.parent.mkdir(parents=True, exist_ok=True)
            link_file(path, place)


def update_links(source: Path, target: Path, mark: str) -> int:
    """Link every file below `source` except its manifest into `target`, replacing existing files.

    At any moment each file is the complete old or new one: its temporary name is ``.<name>.<mark>``. Returns the
    number of new files.
    """
    missing = missing_files(source, target)
    for name in missing:
        path, place = source / name, target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f".{place.name}.{mark}")
        try:
            link_file(path, fresh)
            fresh.replace(place)
        finally:
            fresh.unlink(missing_ok=True)
    return len(missing)


def missing_files(source: Path, target: Path) -> list[str]:
    """Relative names of files below `source`, except its manifest, that are missing or different below `target`."""
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    return [name for name in names if name != MANIFEST and not _is_copy(target / name, source / name)]


def remove_copies(name: Path, target: Path, published: Iterable[Path]) -> bool:
    """Remove the file `name` and all other files of its published folder from `target`.

    Returns False if none of the folders `published` has that file.
    """
    for folder in published:
        if _is_copy(target / name, folder / name):
            for path in folder.rglob("*"):
                if _is_copy(target / path.relative_to(folder), path):
                    (target / path.relative_to(folder)).unlink()
            return True
    return False


def _is_copy(place: Path, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return place.is_file() and (place.samefile(path) or filecmp.cmp(place, path, shallow=False))
    return False


def link_file(path: Path, place: Path) -> None:
    """Create `place` as a hard link to `path`, or as a copy if the file system refuses links."""
    try:
        os.link(path, place)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        shutil.copyfile(path, place)


def is_published(folder: Path) -> bool:
    """Whether a folder is published, in its original workspace."""
    place = folder.resolve()
    return (place / MANIFEST).is_file() and place.parent.parent.name in ("runs", "parts")


def sealed_digests(folder: Path) -> dict[str, str]:
    """Relative name → xxh3-128 of every file of a published folder, from its seal; empty without a seal.

    Raises: ArtifactError: the seal cannot be read.
    """
    try:
        sealed = json.loads((folder / MANIFEST).read_bytes())["files"]
        return {str(name): str(entry["digest"]) for name, entry in sealed.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError("the seal of a published folder cannot be read", where=folder, got=error) from error
