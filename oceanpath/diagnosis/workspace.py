"""The disk of a workspace: free space, and the operations of its file system that runs rely on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from oceanpath.diagnosis.finding import Finding, State
from oceanpath.errors import OceanPathError
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.locks import held, try_lock

GROUP = "workspace"
GIB = 2**30
LITTLE_GIB = 5
"""Free disk space below this is reported as scarce."""


def check_workspace(root: Path) -> list[Finding]:
    """Free space, locks, links and the database of a workspace; nothing remains in it."""
    folder = next(path for path in (root, *root.resolve().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free / GIB
    scarce = "; this is little for slides and stores" if free < LITTLE_GIB else ""
    findings = [Finding(GROUP, "disk", State.OK, f"{folder}: {free:.1f} GiB free{scarce}")]
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".oceanpath_doctor_") as name:
            return [*findings, *(_check(Path(name), *each) for each in CHECKS)]
    except OSError as error:
        do = "Name a folder that you can write with --workspace."
        return [*findings, Finding(GROUP, "write", State.MISSING, f"{folder}: {error.strerror}", do)]


def _check(folder: Path, subject: str, test: Callable[[Path], str], needed: State, do: str) -> Finding:
    try:
        return Finding(GROUP, subject, State.OK, test(folder))
    except OSError as error:
        return Finding(GROUP, subject, needed, f"not supported by this file system: {error.strerror or error}", do)


def _locks(folder: Path) -> str:
    file = try_lock(folder / "locks", "doctor")
    if file is None or try_lock(folder / "locks", "doctor") is not None:
        raise OSError("a lock is not exclusive")
    with held(file):
        pass
    return "exclusive, released"


def _rename(folder: Path) -> str:
    (folder / "partial").mkdir()
    (folder / "partial" / "file").write_bytes(b"1")
    (folder / "partial").rename(folder / "published")
    return "atomic"


def _hard_link(folder: Path) -> str:
    (folder / "first").write_bytes(b"1")
    os.link(folder / "first", folder / "second")
    return "supported"


def _symbolic_link(folder: Path) -> str:
    (folder / "link").symlink_to("first")
    return "supported"


def _database(folder: Path) -> str:
    try:
        with Ledger(folder / "ledger.sqlite"):
            return f"SQLite {sqlite3.sqlite_version}"
    except OceanPathError as error:
        raise OSError(error.facts()) from error


def _hdf5_locks(folder: Path) -> str:
    import fcntl

    with (folder / "flock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return "supported"


ANOTHER = "Name a workspace on another disk with --workspace."
CHECKS: tuple[tuple[str, Callable[[Path], str], State, str], ...] = (
    ("locks", _locks, State.MISSING, ANOTHER),
    ("rename", _rename, State.MISSING, ANOTHER),
    ("database", _database, State.MISSING, ANOTHER),
    ("hard links", _hard_link, State.ABSENT, "Results are copied where they would be linked."),
    ("symbolic links", _symbolic_link, State.ABSENT, "Experiment folders list paths where they would link results."),
    ("flock", _hdf5_locks, State.ABSENT, "Set HDF5_USE_FILE_LOCKING=FALSE for programs that use HDF5 locks."),
)
"""Subject, test, state if the test fails, what to do."""
