"""What a folder holds: the one way to list it, for digests and for readers.

Hidden files and folders (names that begin with a dot) are left out. Links are followed. Each folder is listed once:
under its own name where it is below the root, else under the first link to it in order of names; a link to the root or
to a folder above it is not followed. So no circle of links is walked for ever, and no file is listed twice because two
links lead to its folder.
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

SHOWN = 5
FOLDER_FILES = (".zarr",)
"""Suffixes of folders that are one file to their readers: they are listed by their own name, not by what they hold."""


class Stat(NamedTuple):
    """What the file system says of a file's version."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, state: os.stat_result) -> Stat:
        """The version of a file."""
        return cls(state.st_size, state.st_mtime_ns, state.st_ino)


def stat_of(path: Path) -> Stat:
    """The version of a file, or of a folder that is one file to its readers, with all that it holds.

    Raises: OSError: it is not there.
    """
    state = path.stat()
    if not stat.S_ISDIR(state.st_mode):
        return Stat.of(state)
    inside = [Path(folder).stat() for folder, _, _ in os.walk(path)] + [file.stat() for file in files_inside(path)]
    return Stat(sum(one.st_size for one in inside), max(one.st_mtime_ns for one in inside), state.st_ino)


def files_inside(path: Path) -> list[Path]:
    """The files of a folder that is one file to its readers, hidden ones too, sorted."""
    return sorted(Path(folder) / name for folder, _, names in os.walk(path) for name in names)


GONE = Stat(0, 0, 0)
"""Of a link whose target does not exist."""


@dataclass
class Listing:
    """Every file below a folder, by its relative path with ``/``."""

    files: dict[str, Stat] = field(default_factory=dict)
    """Files, folders that are one file (`FOLDER_FILES`) and links without a target (`GONE`); in no particular order."""
    broken: list[str] = field(default_factory=list)
    """Those of `files` that are links without a target, sorted."""
    circles: list[str] = field(default_factory=list)
    """Links to the folder itself or to one above it, sorted; they are not followed."""
    special: list[str] = field(default_factory=list)
    """Pipes, sockets and devices, sorted; they are not read."""

    def passed_over(self, used: Iterable[str]) -> str:
        """What is listed and not among the `used` files, in words: counted by suffix, links by name."""
        left = sorted(self.files.keys() - set(used))
        kinds = Counter(PurePosixPath(name).suffix.lower() or "without a suffix" for name in left)
        said = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
        broken = [name for name in self.broken if name in set(left)]
        groups = {"links without a target": broken, "links that lead back": self.circles, "no files": self.special}
        said += [f"{what}: {_some(names)}" for what, names in groups.items() if names]
        return "; ".join(said)


def list_folder(root: Path) -> Listing:
    """List every file below `root`.

    Raises: OSError: a folder cannot be read.
    """
    found, links = Listing(), list[str]()
    above = {_identity(folder.stat()) for folder in root.resolve().parents}
    seen = set(above)
    _walk(root, "", found, links, seen)
    above.add(_identity(root.stat()))
    while links:
        name = heapq.heappop(links)
        if _identity((root / name).stat()) in above:
            found.circles.append(name)
        else:
            _walk(root, f"{name}/", found, links, seen)
    for names in (found.broken, found.circles, found.special):
        names.sort()
    return found


def _walk(root: Path, start: str, found: Listing, links: list[str], seen: set[tuple[int, int]]) -> None:
    """List the folders from `start` on that are not `seen`; links to folders are pushed to the heap `links`."""
    prefixes = [start]
    while prefixes:
        prefix = prefixes.pop()
        handle = os.open(root / prefix, os.O_RDONLY)  # what is asked of a handle need not go down the path again
        try:
            here = _identity(os.fstat(handle))
            if here in seen:
                continue
            seen.add(here)
            with os.scandir(handle) as entries:
                for entry in entries:
                    name = entry.name
                    if name[0] == ".":
                        continue
                    if entry.is_symlink():
                        _follow(root, entry, prefix + name, found, links)
                    elif entry.is_dir() and name.lower().endswith(FOLDER_FILES):
                        found.files[prefix + name] = stat_of(root / (prefix + name))
                    elif entry.is_dir():
                        prefixes.append(f"{prefix}{name}/")
                    else:
                        _add(entry.stat(), prefix + name, found)
        finally:
            os.close(handle)


def _follow(root: Path, entry: os.DirEntry[str], name: str, found: Listing, links: list[str]) -> None:
    try:
        state = entry.stat()
    except OSError:  # there is no target, or it cannot be reached
        found.files[name] = GONE
        found.broken.append(name)
        return
    if stat.S_ISDIR(state.st_mode) and name.lower().endswith(FOLDER_FILES):
        found.files[name] = stat_of(root / name)
    elif stat.S_ISDIR(state.st_mode):
        heapq.heappush(links, name)
    else:
        _add(state, name, found)


def _add(state: os.stat_result, name: str, found: Listing) -> None:
    if stat.S_ISREG(state.st_mode):
        found.files[name] = Stat.of(state)
    else:
        found.special.append(name)


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
