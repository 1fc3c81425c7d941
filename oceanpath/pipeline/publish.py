"""Publishing: a folder is complete and sealed at its final place, or it is not there.

    runs/<stage>/<fingerprint>/      what a stage gave, with manifest.json
    parts/<stage>/<fingerprint>/     one part of a mapped stage, likewise

manifest.json   {"format", "stage", "kind", "version", "fingerprint", "digest", "files": {path: {"size", "digest"}},
                 "identity", "summary", "parts", "environment"}; written last, inside the folder, before the one
                 rename.

Write into a private folder → check → digest and fsync every file → manifest → fsync folders → rename → fsync the
parent. A killed process leaves a private folder that a later run sweeps away.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.pipeline.digests import hash_file
from oceanpath.pipeline.fingerprint import fingerprint, software
from oceanpath.pipeline.locks import held, try_lock, wait_lock
from oceanpath.pipeline.processes import host, is_alive, process_tag, token
from oceanpath.pipeline.stage import Summary

FORMAT = 1
MANIFEST = "manifest.json"
PARTIAL = ".partial"


@dataclass(frozen=True)
class Manifest:
    """What is sealed in a published folder."""

    stage: str
    kind: str
    """``stage`` or ``part``."""
    version: int
    fingerprint: str
    identity: Mapping[str, Any]
    digest: str
    """Output digest: of every file's path and content; what children are keyed by."""
    files: Mapping[str, Mapping[str, Any]]
    summary: Mapping[str, Any]
    parts: Mapping[str, str] = field(default_factory=dict)
    """Part key → fingerprint of the part that was gathered."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Python and packages that made it; never part of an identity or a digest."""
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        """Total size of the files."""
        return sum(int(entry["size"]) for entry in self.files.values())


@dataclass(frozen=True)
class Workspace:
    """Where everything lies."""

    root: Path

    def place(self, kind: str, stage: str, fingerprint: str) -> Path:
        """The final folder of a published stage or part."""
        return self.root / ("runs" if kind == "stage" else "parts") / stage / fingerprint

    @property
    def ledger(self) -> Path:
        """The SQLite ledger."""
        return self.root / "ledger.sqlite"

    @property
    def digests(self) -> Path:
        """The cache of outside digests."""
        return self.root / "digests.sqlite"

    def open(self) -> None:
        """Make the workspace.

        Raises: ExperimentError: it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{token()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            do = "Choose another place with --workspace."
            raise ExperimentError("the workspace cannot be written", where=self.root, got=error, do=do) from error

    def sweep(self) -> None:
        """Remove what dead processes left half made."""
        for folder in (*self.root.glob(f"runs/*/*{PARTIAL}"), *self.root.glob(f"parts/*/*{PARTIAL}")):
            _sweep(folder)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a published folder, or None when nothing is published there.

    Raises: ArtifactError: the folder is there but unsealed, of another format, or its files have other sizes.
    """
    if not folder.is_dir():
        return None
    try:
        raw = json.loads((folder / MANIFEST).read_bytes())
        manifest = Manifest(**raw)
        sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError("a published folder is damaged", where=folder, got=error) from error
    if manifest.format != FORMAT or manifest.fingerprint != folder.name:
        raise ArtifactError("a published folder has a foreign manifest", where=folder)
    if wrong := [name for name, entry in manifest.files.items() if sizes[name] != entry["size"]]:
        raise ArtifactError("files of a published folder changed size", where=folder, got=", ".join(wrong[:3]))
    return manifest


def find(workspace: Workspace, kind: str, stage: str, name: str) -> tuple[Manifest | None, str]:
    """What is published under a fingerprint, and what is wrong with it if it is damaged."""
    try:
        return read_manifest(workspace.place(kind, stage, name)), ""
    except ArtifactError as error:
        return None, error.render()


@dataclass(frozen=True)
class Order:
    """What is to be published: under which identity, by which work, checked by what."""

    stage: str
    kind: str
    version: int
    identity: Mapping[str, Any]
    write: Callable[[Path], Summary]
    check: Callable[[Path], None] | None = None
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Name of the folder to be."""
        return fingerprint(self.identity)


def publish(workspace: Workspace, order: Order, *, replace: bool = False) -> Manifest:
    """Do the work in a private folder and rename it into place. The first to commit a fingerprint wins.

    With `replace`, what lies at that place makes way once its replacement is complete.

    Raises: StageError: the disk refused. What the work or its check raises passes through; nothing is published then.
    """
    final = workspace.place(order.kind, order.stage, order.fingerprint)
    partial = final.parent / f".{order.fingerprint}.{process_tag()}.{token()}{PARTIAL}"
    try:
        partial.mkdir(parents=True)
        summary = order.write(partial)
        if order.check is not None:
            order.check(partial)
        _seal(partial, order, summary)
        if replace and final.exists():
            set_aside(workspace, final)
        _commit(partial, final)
    except OSError as error:
        raise StageError("the result could not be written", where=final, got=error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    manifest = read_manifest(final)
    if manifest is None:
        raise StageError("a published folder vanished right after its rename", where=final)
    return manifest


def make(
    workspace: Workspace, order: Order, *, replace: bool = False, wait: bool = True
) -> tuple[Manifest, bool] | None:
    """Publish unless somebody has done so, as the only maker of this fingerprint anywhere.

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
            if manifest is not None and not replace:
                return manifest, False
            return publish(workspace, order, replace=replace or bool(damage)), True
    except OSError as error:
        raise StageError("the disk refused", where=workspace.root, got=error) from error


def set_aside(workspace: Workspace, folder: Path) -> None:
    """Move a folder out of the way, for a person to look at or `ledger prune` to remove."""
    place = workspace.root / "set_aside" / f"{folder.parent.name}-{folder.name}-{token()}"
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)


def _seal(partial: Path, order: Order, summary: Summary) -> None:
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(path for path in partial.rglob("*") if path.is_file()):
        files[path.relative_to(partial).as_posix()] = {"size": path.stat().st_size, "digest": hash_file(path)}
        fsync(path)
    if not files:
        raise ArtifactError("a stage wrote nothing", where=order.stage)
    digest = fingerprint(sorted((name, entry["digest"]) for name, entry in files.items()))
    said = {"lines": list(summary.lines), "metrics": dict(summary.metrics)}
    head = (order.stage, order.kind, order.version, order.fingerprint, dict(order.identity))
    manifest = Manifest(*head, digest, files, said, order.parts, software())
    (partial / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True, allow_nan=False))
    for path in (partial / MANIFEST, *(path for path in partial.rglob("*") if path.is_dir()), partial):
        fsync(path)


def _commit(partial: Path, final: Path) -> None:
    try:
        partial.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    fsync(final.parent)


def fsync(path: Path) -> None:
    """Make a file or a folder's entries durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove a private folder whose process is dead; those of other hosts stay."""
    _, _, tag = folder.name.removeprefix(".").partition(".")
    pid, start, where = (*tag.split(".")[0].split("-", 2), "", "", "")[:3]
    if where == host() and not is_alive(pid, start):
        with suppress(OSError):  # another process may be sweeping the same folder
            shutil.rmtree(folder)
