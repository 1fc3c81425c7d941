"""Listing of folders, the same for digests and readers.

Hidden files and folders (names that begin with a dot) are left out. Links are followed. Each folder is listed once:
under its own name where it is below the root, otherwise under the first link to it in order of names; a link to the
root or to a folder above it is not followed. So cycles of links end, and no file is listed twice because two links lead
to its folder.
"""

from __future__ import annotations

import heapq
import os
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from oceanpath.errors import shorten_list

FOLDER_FILES = (".zarr",)
"""Suffixes of folders that readers treat as one file: they are listed by their own name, not by their content."""


class Stat(NamedTuple):
    """The version of a file, according to the file system."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, state: os.stat_result) -> Stat:
        """The version of a file."""
        return cls(state.st_size, state.st_mtime_ns, state.st_ino)


def stat_of(path: Path) -> Stat:
    """The version of a file, or of a folder that readers treat as one file, with all its content.

    Raises: OSError: it does not exist.
    """
    state = path.stat()
    if not stat.S_ISDIR(state.st_mode):
        return Stat.of(state)
    inside = [Path(folder).stat() for folder, _, _ in os.walk(path)] + [file.stat() for file in files_inside(path)]
    return Stat(sum(each.st_size for each in inside), max(each.st_mtime_ns for each in inside), state.st_ino)


def files_inside(path: Path) -> list[Path]:
    """The files of a folder that readers treat as one file, hidden ones too, sorted."""
    return sorted(Path(folder) / name for folder, _, names in os.walk(path) for name in names)


MISSING = Stat(0, 0, 0)
"""The version of a link whose target does not exist."""


@dataclass
class Listing:
    """All files below a folder, by relative path with ``/``."""

    files: dict[str, Stat] = field(default_factory=dict)
    """Files, folders that are one file (`FOLDER_FILES`) and links without a target (`MISSING`), in any order."""
    broken: list[str] = field(default_factory=list)
    """Those of `files` that are links without a target, sorted."""
    circles: list[str] = field(default_factory=list)
    """Links to the folder itself or to one above it, sorted; they are not followed."""
    special: list[str] = field(default_factory=list)
    """Pipes, sockets and devices, sorted; they cannot be read."""

    def describe_unused(self, used: Iterable[str]) -> str:
        """A description of the files that are not `used`: counted by suffix, links by name."""
        left = sorted(self.files.keys() - set(used))
        kinds = Counter(PurePosixPath(name).suffix.lower() or "without a suffix" for name in left)
        texts = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
        broken = [name for name in self.broken if name in set(left)]
        groups = {"links without a target": broken, "circular links": self.circles, "special files": self.special}
        texts += [f"{what}: {shorten_list(names)}" for what, names in groups.items() if names]
        return "; ".join(texts)


def list_folder(root: Path) -> Listing:
    """List every file below `root`.

    Raises: OSError: a folder cannot be read.
    """
    listing, links = Listing(), list[str]()
    above = {_identity(folder.stat()) for folder in root.resolve().parents}
    seen = set(above)
    _walk(root, "", listing, links, seen)
    above.add(_identity(root.stat()))
    while links:
        name = heapq.heappop(links)
        if _identity((root / name).stat()) in above:
            listing.circles.append(name)
        else:
            _walk(root, f"{name}/", listing, links, seen)
    for names in (listing.broken, listing.circles, listing.special):
        names.sort()
    return listing


def _walk(root: Path, start: str, listing: Listing, links: list[str], seen: set[tuple[int, int]]) -> None:
    """List the folders from `start` on that are not `seen`; links to folders are pushed to the heap `links`."""
    prefixes = [start]
    while prefixes:
        prefix = prefixes.pop()
        handle = os.open(root / prefix, os.O_RDONLY)  # a handle is faster than resolving the path for each entry
        try:
            identity = _identity(os.fstat(handle))
            if identity in seen:
                continue
            seen.add(identity)
            with os.scandir(handle) as entries:
                for entry in entries:
                    name = entry.name
                    if name[0] == ".":
                        continue
                    if entry.is_symlink():
                        _follow(root, entry, prefix + name, listing, links)
                    elif entry.is_dir() and name.lower().endswith(FOLDER_FILES):
                        listing.files[prefix + name] = stat_of(root / (prefix + name))
                    elif entry.is_dir():
                        prefixes.append(f"{prefix}{name}/")
                    else:
                        _add(entry.stat(), prefix + name, listing)
        finally:
            os.close(handle)


def _follow(root: Path, entry: os.DirEntry[str], name: str, listing: Listing, links: list[str]) -> None:
    try:
        state = entry.stat()
    except OSError:  # there is no target, or it is not accessible
        listing.files[name] = MISSING
        listing.broken.append(name)
        return
    if stat.S_ISDIR(state.st_mode) and name.lower().endswith(FOLDER_FILES):
        listing.files[name] = stat_of(root / name)
    elif stat.S_ISDIR(state.st_mode):
        heapq.heappush(links, name)
    else:
        _add(state, name, listing)


def _add(state: os.stat_result, name: str, listing: Listing) -> None:
    if stat.S_ISREG(state.st_mode):
        listing.files[name] = Stat.of(state)
    else:
        listing.special.append(name)


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino
