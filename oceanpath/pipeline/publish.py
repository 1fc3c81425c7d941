"""Publishing: a folder is either complete and sealed under its final name, or does not exist.

    runs/<stage>/<fingerprint>/      the result of a stage, with manifest.json
    parts/<stage>/<fingerprint>/     the result of one part of a mapped stage, with manifest.json

manifest.json   {"format", "stage", "kind", "version", "fingerprint", "digest", "files": {path: {"size", "digest"}},
                 "identity", "summary", "parts", "environment", "local", "seal"}; written last, inside the folder,
                 before the only rename; the seal is a digest of manifest.json itself.

Write into a private folder → check → digest and fsync every file → manifest → fsync folders → rename → fsync the
parent. A killed process leaves a private folder, which a later run removes. If the work kept a journal in it, the next
process that computes the same fingerprint resumes the work in this folder.
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
from oceanpath.file_digests import xxh3_of_file
from oceanpath.pipeline.fingerprint import fingerprint, software
from oceanpath.pipeline.locks import held, try_lock, wait_lock
from oceanpath.pipeline.processes import process_tag, token
from oceanpath.pipeline.stage import Summary
from oceanpath.pipeline.workspace import (
    JOURNAL,
    MANIFEST,
    PARTIAL,
    Manifest,
    Workspace,
    find,
    local_files,
    read_manifest,
    remove_abandoned,
    sealed_files,
    write_manifest,
)


@dataclass(frozen=True)
class PublishRequest:
    """What to publish: its identity, the work that writes it, and the check of the output."""

    stage: str
    kind: str
    version: int
    identity: Mapping[str, Any]
    write: Callable[[Path], Summary]
    check: Callable[[Path], None] | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    digest: Callable[[Path], str] | None = None
    """Computes the output digest; None: digest all files."""
    resumes: bool = True
    """Whether the unfinished folder of an ended process is reused, if the work kept a journal in it."""
    linked: tuple[Path, ...] = ()
    """Published folders whose files the work may have linked; their manifests contain the digests."""

    @property
    def fingerprint(self) -> str:
        """Name of the published folder."""
        return fingerprint(self.identity)


def publish(workspace: Workspace, request: PublishRequest, *, replace: bool = False) -> Manifest:
    """Do the work in a private folder and rename the folder, while this process holds the lock of the fingerprint.

    With `replace`, an existing result is set aside once its replacement is complete. Without it, work that kept a
    journal resumes in the private folder of a process that was killed; an interruption keeps that folder too.

    Raises: AccidentError: the disk refused. Errors of the work and of its check are passed on. Nothing is published.
    """
    final = workspace.folder(request.kind, request.stage, request.fingerprint)
    partial = final.parent / f".{request.fingerprint}.{process_tag()}.{token()}{PARTIAL}"
    keep = False
    try:
        if not request.resumes or not _resumed(workspace, request, partial, reuse=not replace):
            partial.mkdir(parents=True)
        summary = request.write(partial)
        if request.check is not None:
            request.check(partial)
        _seal(partial, request, summary)
        if replace and final.exists():
            move_aside(workspace, final)
        _commit(partial, final)
    except KeyboardInterrupt:
        keep = (partial / JOURNAL).exists()
        raise
    except OSError as error:
        raise AccidentError("the result could not be written", where=final, got=error) from error
    finally:
        if not keep:
            shutil.rmtree(partial, ignore_errors=True)
    manifest = read_manifest(final)
    if manifest is None:
        raise AccidentError("a published folder disappeared immediately after its rename", where=final)
    return manifest


def publish_once(
    workspace: Workspace, request: PublishRequest, *, since: int | None = None, wait: bool = True
) -> tuple[Manifest, bool] | None:
    """Publish a result that is not published yet, as the only process that computes this fingerprint.

    Args:
        workspace: Where to publish.
        request: What to publish.
        since: A result published before this time [ns, by the clock of the file system] is replaced.
        wait: Whether to wait for another process that is computing it.

    Returns:
        The manifest, and whether it was computed now; None if another process is computing it and `wait` is False.

    Raises: as `publish`.
    """
    name = request.fingerprint
    locks = workspace.root / "locks"
    try:
        lock = wait_lock(locks, name) if wait else try_lock(locks, name)
        if lock is None:
            return None
        with held(lock):
            manifest, damage = _current(workspace, request, since)
            if manifest is not None:
                return manifest, False
            return publish(workspace, request, replace=since is not None or bool(damage)), True
    except OSError as error:
        raise AccidentError("the lock of the result cannot be written", where=workspace.root, got=error) from error


def published(workspace: Workspace, request: PublishRequest, since: int | None = None) -> Manifest | None:
    """The manifest of a result that is published and not older than `since`, without waiting for anything."""
    return _current(workspace, request, since)[0]


def _current(workspace: Workspace, request: PublishRequest, since: int | None) -> tuple[Manifest | None, str]:
    manifest, damage = find(workspace, request.kind, request.stage, request.fingerprint)
    if manifest is not None and since and _published_ns(workspace, request) <= since:
        return None, damage
    return manifest, damage


def _published_ns(workspace: Workspace, request: PublishRequest) -> int:
    return (workspace.folder(request.kind, request.stage, request.fingerprint) / MANIFEST).stat().st_mtime_ns


def move_aside(workspace: Workspace, folder: Path) -> None:
    """Move a folder to ``set_aside/``, to be inspected, or removed by `ledger prune`."""
    target = workspace.root / "set_aside" / f"{folder.parent.name}-{folder.name}-{token()}"
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)


def _resumed(workspace: Workspace, request: PublishRequest, partial: Path, *, reuse: bool) -> bool:
    """Whether `partial` is now the folder in which an ended process started the same work and kept a journal.

    Unfinished folders of this stage with other settings are removed: they take as much disk space as a result. Those
    of other parts are kept, to be resumed with their own part.
    """
    taken, final = False, workspace.folder(request.kind, request.stage, request.fingerprint)
    for abandoned in filter(workspace.is_abandoned, final.parent.glob(f".*{PARTIAL}")):
        of_this = abandoned.name.split(".")[1] == final.name
        if request.kind == "part" and not of_this:
            continue
        if taken or not reuse or not of_this or not (abandoned / JOURNAL).exists():
            remove_abandoned(abandoned)
            continue
        with suppress(OSError):  # another process removes it at this moment
            abandoned.rename(partial)
            taken = True
    return taken


def _seal(partial: Path, request: PublishRequest, summary: Summary) -> None:
    known = _linked_digests(request.linked)
    files = {path.relative_to(partial).as_posix(): _entry(path, known) for path in sealed_files(partial)}
    local = {path.relative_to(partial).as_posix(): _entry(path, known) for path in local_files(partial)}
    if not files:
        raise ArtifactError("a stage wrote nothing", where=request.stage)
    of_files = sorted((name, entry["digest"]) for name, entry in files.items())
    digest = request.digest(partial) if request.digest else fingerprint(of_files)
    recorded = {"lines": list(summary.lines), "metrics": dict(summary.metrics)}
    head = (request.stage, request.kind, request.version, request.fingerprint, dict(request.identity))
    write_manifest(partial, Manifest(*head, digest, files, recorded, request.parts, software(), local))
    for path in (*partial.rglob("*"), partial):
        fsync(path)


def _entry(path: Path, known: Mapping[tuple[int, int], str]) -> dict[str, Any]:
    state = path.stat()
    return {"size": state.st_size, "digest": known.get((state.st_dev, state.st_ino)) or xxh3_of_file(path)}


def _linked_digests(folders: tuple[Path, ...]) -> dict[tuple[int, int], str]:
    """(device, inode) → digest of the files of published folders: a hard link to a sealed file has the same bytes."""
    known: dict[tuple[int, int], str] = {}
    for folder in folders:
        try:
            manifest = read_manifest(folder)
            for name, entry in manifest.files.items() if manifest else ():
                state = (folder / name).stat()
                known[state.st_dev, state.st_ino] = str(entry["digest"])
        except (ArtifactError, OSError):
            continue  # damaged or removed in the meantime: its files are read
    return known


def _commit(partial: Path, final: Path) -> None:
    if (journal := partial / JOURNAL).exists():
        journal.unlink()
        with suppress(OSError):  # other local files are kept
            journal.parent.rmdir()
    try:
        partial.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    fsync(final.parent)


def fsync(path: Path) -> None:
    """Make a file durable, or the entries of a folder if the file system supports it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)
