"""Paths of a workspace, and the manifest of a published folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.pipeline.locks import holder, remove_stale
from oceanpath.pipeline.processes import is_alive, process_tag, token

FORMAT = 1
MANIFEST = "manifest.json"
PARTIAL = ".partial"
LOCAL = "local"
"""Folder below a published folder for facts about this machine only: not part of the result or of a digest."""
JOURNAL = f"{LOCAL}/journal.txt"
"""A file below `out` from which the work of a stage resumes after it was killed; it is never published.

Work that writes one may receive its own unfinished folder again, and must check all its contents."""


@dataclass(frozen=True)
class Manifest:
    """The contents of manifest.json in a published folder."""

    stage: str
    kind: str
    """``stage`` or ``part``."""
    version: int
    fingerprint: str
    identity: Mapping[str, Any]
    digest: str
    """Output digest, on which fingerprints of children depend: of all paths and contents, or from `Stage.digest`."""
    files: Mapping[str, Mapping[str, Any]]
    summary: Mapping[str, Any]
    parts: Mapping[str, str] = field(default_factory=dict)
    """Part key → fingerprint of the part that was combined."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Versions of Python and packages; never part of an identity or a digest."""
    local: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """As `files`, for facts about this machine only: they are in no digest and may be missing."""
    format: int = FORMAT
    seal: str = ""
    """Digest of manifest.json with this text empty; empty in folders from before this key existed."""

    @property
    def bytes(self) -> int:
        """Total size of the files."""
        return sum(int(entry["size"]) for entry in self.files.values())


@dataclass(frozen=True)
class Workspace:
    """The folder of all results, and the paths in it."""

    root: Path

    def folder(self, kind: str, stage: str, fingerprint: str) -> Path:
        """The folder under which a stage or part is published."""
        return self.root / ("runs" if kind == "stage" else "parts") / stage / fingerprint

    def folders(self, kind: str, stage: str) -> list[Path]:
        """All published folders of a stage or of its parts, sorted."""
        parent = self.folder(kind, stage, "")
        return sorted(path for path in parent.glob("[!.]*")) if parent.is_dir() else []

    def earlier(self, stage: str, most: int = 16) -> tuple[Path, ...]:
        """The latest published folders of a stage, newest first."""
        folders = [path for path in self.folders("stage", stage) if (path / MANIFEST).is_file()]
        return tuple(sorted(folders, key=lambda path: (-path.stat().st_mtime_ns, path.name))[:most])

    @property
    def ledger(self) -> Path:
        """The SQLite ledger."""
        return self.root / "ledger.sqlite"

    @property
    def locks(self) -> Path:
        """The folder of all locks."""
        return self.root / "locks"

    @property
    def digests(self) -> Path:
        """The cache of outside digests."""
        return self.root / "digests.sqlite"

    def open(self) -> None:
        """Create the workspace, and check that it can be used.

        Raises: ExperimentError: it cannot be written, or its file system has no symbolic links.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{token()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            do = "Choose another folder with --workspace."
            raise ExperimentError("the workspace cannot be written", where=self.root, got=error, do=do) from error
        try:
            probe.symlink_to(self.root)
            probe.unlink()
        except OSError as error:
            what = "the file system of the workspace has no symbolic links"
            do = "Choose a folder on another disk with --workspace."
            raise ExperimentError(what, where=self.root, got=error, do=do) from error

    def remove_unfinished(self, *, journals: bool = False) -> None:
        """Remove unfinished folders of ended processes, and with `journals` also those from which work could resume."""
        for folder in (*self.root.glob(f"runs/*/.*{PARTIAL}"), *self.root.glob(f"parts/*/.*{PARTIAL}")):
            if self.is_abandoned(folder) and (journals or not (folder / JOURNAL).exists()):
                remove_abandoned(folder)
        remove_stale(self.locks)
        remove_ended((*self.locks.glob(".*"), *self.root.glob("experiments/*/.*")))

    def is_abandoned(self, folder: Path) -> bool:
        """Whether no process uses a private folder any more: it would hold the lock of the fingerprint."""
        _, name, tag, *_ = folder.name.split(".")
        return holder(self.locks, name) != tag


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a published folder, or None if there is no folder.

    Raises: ArtifactError: the folder is unsealed, has another format, or its files have other sizes.
    """
    if not folder.is_dir():
        return None
    try:
        raw = (folder / MANIFEST).read_bytes()
        manifest = Manifest(**json.loads(raw))
        if manifest.seal and _digest(raw.replace(_seal(manifest.seal), _seal(""))) != manifest.seal:
            raise ArtifactError("the manifest of a published folder differs from its own digest", where=folder)
        wrong = [name for name, entry in manifest.files.items() if (folder / name).stat().st_size != entry["size"]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError("a published folder is damaged", where=folder, got=error) from error
    if manifest.format != FORMAT or manifest.fingerprint != folder.name:
        raise ArtifactError("a published folder has the manifest of another folder", where=folder)
    if wrong:
        raise ArtifactError("files of a published folder changed size", where=folder, got=", ".join(wrong[:3]))
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.json, which contains a digest of itself."""
    raw = json.dumps(asdict(manifest), indent=1, sort_keys=True, allow_nan=False).encode()
    (folder / MANIFEST).write_bytes(raw.replace(_seal(""), _seal(_digest(raw))))


def _seal(digest: str) -> bytes:
    return f'\n "seal": "{digest}"'.encode()


def _digest(raw: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(raw)


def sealed_files(folder: Path) -> list[Path]:
    """The files of a folder's manifest, sorted: all except the manifest itself and local files."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if path.relative_to(folder).parts[0] not in (MANIFEST, LOCAL))


def local_files(folder: Path) -> list[Path]:
    """The files with facts about this machine only, sorted; without the journal."""
    return sorted(path for path in (folder / LOCAL).rglob("*") if path.is_file() and path != folder / JOURNAL)


def find(workspace: Workspace, kind: str, stage: str, name: str) -> tuple[Manifest | None, str]:
    """The manifest published under a fingerprint, if any, and its problem if it is damaged."""
    try:
        return read_manifest(workspace.folder(kind, stage, name)), ""
    except ArtifactError as error:
        return None, error.render()


def remove_ended(paths: Iterable[Path]) -> None:
    """Remove those of `paths`, named ``.<name>.<process tag>.<token>``, whose process has ended on this machine."""
    for path in paths:
        if is_alive(path.name.rpartition(".")[0].rpartition(".")[2]) is False:
            with suppress(OSError):  # another process removes it at this moment
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def remove_abandoned(folder: Path) -> None:
    """Remove the private folder of an ended process, unless another process takes or removes it at this moment."""
    with suppress(OSError):
        renamed = folder.rename(folder.with_name(f".swept.{process_tag()}.{token()}{PARTIAL}"))
        shutil.rmtree(renamed)
