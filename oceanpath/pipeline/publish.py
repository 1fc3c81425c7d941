"""Publishing: a folder is complete and sealed at its final place, or it is not there.

    runs/<stage>/<fingerprint>/      what a stage gave, with manifest.json
    parts/<stage>/<fingerprint>/     one part of a mapped stage, likewise

manifest.json   {"format", "stage", "kind", "version", "fingerprint", "digest", "files": {path: {"size", "digest"}},
                 "identity", "summary", "parts", "environment", "local", "seal"}; written last, inside the folder,
                 before the one rename; the seal is a digest of manifest.json itself.

Write into a private folder → check → digest and fsync every file → manifest → fsync folders → rename → fsync the
parent. A killed process leaves a private folder that a later run sweeps away, or, where the work kept a journal in it,
that the next maker of the same fingerprint goes on with.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oceanpath.errors import AccidentError, ArtifactError
from oceanpath.pipeline.digests import hash_file
from oceanpath.pipeline.fingerprint import fingerprint, software
from oceanpath.pipeline.locks import held, try_lock, wait_lock
from oceanpath.pipeline.processes import process_tag, token
from oceanpath.pipeline.stage import JOURNAL, Summary
from oceanpath.pipeline.workspace import (
    MANIFEST,
    PARTIAL,
    Manifest,
    Workspace,
    find,
    local_files,
    read_manifest,
    remove_left,
    sealed_files,
    write_manifest,
)


@dataclass(frozen=True)
class PublishRequest:
    """What is to be published: under which identity, by which work, checked by what."""

    stage: str
    kind: str
    version: int
    identity: Mapping[str, Any]
    write: Callable[[Path], Summary]
    check: Callable[[Path], None] | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    digest: Callable[[Path], str] | None = None
    """The output digest of what was written; None for that of all files."""
    linked: tuple[Path, ...] = ()
    """Published folders whose files the work may have linked: their seals tell the digests."""

    @property
    def fingerprint(self) -> str:
        """Name of the folder to be."""
        return fingerprint(self.identity)


def publish(workspace: Workspace, order: PublishRequest, *, replace: bool = False) -> Manifest:
    """Do the work in a private folder and rename it into place, as the holder of the lock of the fingerprint.

    With `replace`, what lies at that place makes way once its replacement is complete. Without it, work that kept a
    journal goes on in the private folder of a process that was killed at it; an interrupt leaves that folder too.

    Raises: AccidentError: the disk refused. What the work or its check raises passes through. Nothing is published.
    """
    final = workspace.folder(order.kind, order.stage, order.fingerprint)
    partial = final.parent / f".{order.fingerprint}.{process_tag()}.{token()}{PARTIAL}"
    goes_on = False
    try:
        if order.kind != "stage" or not _taken(workspace, final, partial, afresh=replace):
            partial.mkdir(parents=True)
        summary = order.write(partial)
        if order.check is not None:
            order.check(partial)
        _seal(partial, order, summary)
        if replace and final.exists():
            move_aside(workspace, final)
        _commit(partial, final)
    except KeyboardInterrupt:
        goes_on = (partial / JOURNAL).exists()
        raise
    except OSError as error:
        raise AccidentError("the result could not be written", where=final, got=error) from error
    finally:
        if not goes_on:
            shutil.rmtree(partial, ignore_errors=True)
    manifest = read_manifest(final)
    if manifest is None:
        raise AccidentError("a published folder vanished right after its rename", where=final)
    return manifest


def make(
    workspace: Workspace, order: PublishRequest, *, since: int | None = None, wait: bool = True
) -> tuple[Manifest, bool] | None:
    """Publish unless it is published, as the only maker of this fingerprint anywhere.

    Args:
        workspace: Where.
        order: What.
        since: What was published before this moment [ns, by the clock of the file system] is replaced.
        wait: Whether to wait for another process that is making it.

    Returns:
        The manifest and whether it was made now; None when another process is making it and `wait` is off.

    Raises: as `publish`.
    """
    name = order.fingerprint
    locks = workspace.root / "locks"
    try:
        lock = wait_lock(locks, name) if wait else try_lock(locks, name)
        if lock is None:
            return None
        with held(lock):
            manifest, damage = find(workspace, order.kind, order.stage, name)
            if manifest is not None and not (since and _published_ns(workspace, order) <= since):
                return manifest, False
            return publish(workspace, order, replace=since is not None or bool(damage)), True
    except OSError as error:
        raise AccidentError("the disk refused", where=workspace.root, got=error) from error


def _published_ns(workspace: Workspace, order: PublishRequest) -> int:
    return (workspace.folder(order.kind, order.stage, order.fingerprint) / MANIFEST).stat().st_mtime_ns


def move_aside(workspace: Workspace, folder: Path) -> None:
    """Move a folder out of the way, for a person to look at or `ledger prune` to remove."""
    place = workspace.root / "set_aside" / f"{folder.parent.name}-{folder.name}-{token()}"
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)


def _taken(workspace: Workspace, final: Path, partial: Path, *, afresh: bool) -> bool:
    """Whether `partial` is now what a dead process wrote of `final` and kept a journal of.

    What dead processes wrote of this stage with other settings is removed: it holds as much of the disk as a result.
    """
    taken = afresh
    for left in filter(workspace.is_left, final.parent.glob(f".*{PARTIAL}")):
        if taken or left.name.split(".")[1] != final.name or not (left / JOURNAL).exists():
            remove_left(left)
            continue
        with suppress(OSError):  # another process sweeps it at this moment
            left.rename(partial)
            taken = True
    return taken and not afresh


def _seal(partial: Path, order: PublishRequest, summary: Summary) -> None:
    known = _linked(order.linked)
    files = {path.relative_to(partial).as_posix(): _entry(path, known) for path in sealed_files(partial)}
    local = {path.relative_to(partial).as_posix(): _entry(path, known) for path in local_files(partial)}
    if not files:
        raise ArtifactError("a stage wrote nothing", where=order.stage)
    of_files = sorted((name, entry["digest"]) for name, entry in files.items())
    digest = order.digest(partial) if order.digest else fingerprint(of_files)
    said = {"lines": list(summary.lines), "metrics": dict(summary.metrics)}
    head = (order.stage, order.kind, order.version, order.fingerprint, dict(order.identity))
    write_manifest(partial, Manifest(*head, digest, files, said, order.parts, software(), local))
    for path in (*partial.rglob("*"), partial):
        fsync(path)


def _entry(path: Path, known: Mapping[tuple[int, int], str]) -> dict[str, Any]:
    state = path.stat()
    return {"size": state.st_size, "digest": known.get((state.st_dev, state.st_ino)) or hash_file(path)}


def _linked(folders: tuple[Path, ...]) -> dict[tuple[int, int], str]:
    """(device, inode) → digest of the files of published folders: a hard link to a sealed file has its bytes."""
    known: dict[tuple[int, int], str] = {}
    for folder in folders:
        try:
            manifest = read_manifest(folder)
            for name, entry in manifest.files.items() if manifest else ():
                state = (folder / name).stat()
                known[state.st_dev, state.st_ino] = str(entry["digest"])
        except (ArtifactError, OSError):
            continue  # damaged, or pruned meanwhile: its files are hashed
    return known


def _commit(partial: Path, final: Path) -> None:
    if (journal := partial / JOURNAL).exists():
        journal.unlink()
        with suppress(OSError):  # other local things stay
            journal.parent.rmdir()
    try:
        partial.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    fsync(final.parent)


def fsync(path: Path) -> None:
    """Make a file, or a folder's entries where the file system can, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)
