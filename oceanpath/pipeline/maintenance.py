"""Maintenance of a workspace: check published results, remove unused ones, rebuild the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from oceanpath.errors import ArtifactError, repair_remedy
from oceanpath.file_digests import xxh3_of_file
from oceanpath.pipeline.digests import DigestCache
from oceanpath.pipeline.executors.slurm.spool import finished_batches
from oceanpath.pipeline.leases import removal
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.locks import holder
from oceanpath.pipeline.processes import token
from oceanpath.pipeline.publish import move_aside
from oceanpath.pipeline.workspace import Manifest, Workspace, read_manifest, sealed_files


@dataclass(frozen=True)
class Finding:
    """One problem in a workspace, and how to repair it."""

    where: Path
    problem: str
    do: str
    file: Path | None = None
    """The file whose bytes are damaged."""


def published(workspace: Workspace) -> list[Path]:
    """Every published folder of stages and parts, sorted."""
    return sorted(
        path
        for kind in ("runs", "parts")
        for path in workspace.root.glob(f"{kind}/*/*")
        if path.is_dir() and not path.name.startswith(".")
    )


def links(workspace: Workspace) -> list[Path]:
    """The links to current results, ``experiments/<name>/<step>``, sorted."""
    paths = (path for path in workspace.root.glob("experiments/*/*") if path.is_symlink())
    return sorted(path for path in paths if not path.name.startswith("."))  # a hidden link was never completed


def verify(workspace: Workspace, *, deep: bool, repair: bool = False, folders: Sequence[Path] = ()) -> list[Finding]:
    """Check manifests, missing and extra files, and sizes; with `deep` every byte, also of outside inputs.

    With `repair`, damaged folders are set aside, and so is every folder with a hard link to a damaged file: the next
    run computes them again. With `folders`, only these are checked.

    Raises: StageError: with `repair`, a run is using the workspace.
    """
    inspection = _Inspection(deep)
    findings = [finding for folder in folders or published(workspace) for finding in inspection.inspect(folder)]
    if not folders:
        broken = [link for link in links(workspace) if not link.exists()]
        problem = "the result that the experiment uses does not exist"
        findings += [Finding(link, problem, "oceanpath run EXPERIMENT") for link in broken]
        findings += _inspect_ledger(workspace)
    if deep and not folders:
        for path in DigestCache(workspace.digests).recheck():
            problem = "an outside input changed without changing its size and time"
            findings.append(Finding(path, problem, "oceanpath run EXPERIMENT (its old digest is removed)"))
    if repair:
        damaged = {finding.where for finding in findings if finding.where.is_dir()}
        files = [finding.file for finding in findings if finding.file]
        with removal(workspace):
            for folder in sorted(damaged | _linked_to(workspace, files)):
                move_aside(workspace, folder)
    return findings


@dataclass(frozen=True)
class _Inspection:
    """A check of published folders. With `deep` every byte is read, but a file with several hard links only once."""

    deep: bool
    digests: dict[tuple[int, int], str] = field(default_factory=dict)
    """(device, inode) → digest."""

    def inspect(self, folder: Path) -> list[Finding]:
        """The problems of one folder."""
        do = repair_remedy(folder)
        try:
            manifest = read_manifest(folder)
        except ArtifactError as error:
            return [Finding(folder, error.render(), do)]
        if manifest is None:
            return []
        names = {path.relative_to(folder).as_posix() for path in sealed_files(folder)}
        findings = [Finding(folder, f"extra file {name}", do) for name in sorted(names - set(manifest.files))]
        local = {name: entry for name, entry in manifest.local.items() if (folder / name).exists()}
        for name, entry in {**manifest.files, **local}.items() if self.deep else ():
            if self._digest(folder / name) != entry["digest"]:
                findings.append(Finding(folder, f"{name} differs from its digest", do, folder / name))
        return findings

    def _digest(self, path: Path) -> str:
        state = path.stat()
        key = (state.st_dev, state.st_ino)
        if key not in self.digests:
            self.digests[key] = xxh3_of_file(path)
        return self.digests[key]


def _inspect_ledger(workspace: Workspace) -> list[Finding]:
    try:
        if workspace.ledger.exists():
            Ledger(workspace.ledger, read_only=True).close()
    except ArtifactError as error:
        return [Finding(workspace.ledger, error.what, error.do)]
    return []


def _linked_to(workspace: Workspace, files: Sequence[Path]) -> set[Path]:
    """The published folders that contain a hard link to one of `files`."""
    damaged = {(state.st_dev, state.st_ino) for state in (path.stat() for path in files)}
    folders = set()
    for folder in published(workspace) if damaged else ():
        states = (path.stat() for path in sealed_files(folder))
        if any((state.st_dev, state.st_ino) in damaged for state in states):
            folders.add(folder)
    return folders


def unused(workspace: Workspace) -> list[Path]:
    """Folders that no experiment uses and no process is computing, that were set aside, or that Slurm jobs left."""
    used: set[str] = set()
    for link in links(workspace):
        if link.exists():
            manifest = _read_or_explain(link.resolve())
            used |= {link.resolve().name, *(manifest.parts.values() if manifest else ())}
    used |= {path.name for path in workspace.locks.glob("[!.]*") if holder(workspace.locks, path.name)}
    unused_folders = [folder for folder in published(workspace) if folder.name not in used]
    return [*unused_folders, *sorted(workspace.root.glob("set_aside/*")), *finished_batches(workspace.root)]


def prune(workspace: Workspace, folders: list[Path]) -> None:
    """Remove folders; each is renamed before its files are removed. To be called inside `leases.removal`."""
    for folder in folders:
        hidden = folder.with_name(f".{folder.name}.{token()}.pruned")
        with suppress(FileNotFoundError):  # another process removed it
            folder.rename(hidden)
            shutil.rmtree(hidden)
    for left in workspace.root.glob("*/*/.*.pruned"):
        shutil.rmtree(left, ignore_errors=True)
    workspace.remove_unfinished(journals=True)


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rebuild(workspace: Workspace) -> tuple[int, int]:
    """Create a new ledger from the published folders; the old file, if any, is kept under another name.

    Returns:
        The number of published folders and the number of experiments in it.

    Raises: StageError: a run is using the workspace and its ledger.
    """
    with removal(workspace):
        return _rebuild(workspace)


def _rebuild(workspace: Workspace) -> tuple[int, int]:
    fresh = workspace.ledger.with_name(f".ledger-{token()}.sqlite")
    steps = _linked_steps(workspace)
    with Ledger(fresh) as ledger:
        manifests = [manifest for folder in published(workspace) if (manifest := _read_undamaged(folder))]
        for manifest in manifests:
            ledger.add_artifact(manifest)
        for experiment, linked in steps.items():
            ledger.add_recovered_run(experiment, linked)
    if workspace.ledger.exists():
        workspace.ledger.rename(workspace.ledger.with_name(f"ledger-before-{token()}.sqlite"))
    fresh.rename(workspace.ledger)
    return len(manifests), len(steps)


def _linked_steps(workspace: Workspace) -> dict[str, dict[str, Manifest]]:
    """Experiment → {step: manifest of the linked result}."""
    steps: dict[str, dict[str, Manifest]] = {}
    for link in links(workspace):
        if link.exists() and (manifest := _read_undamaged(link.resolve())):
            steps.setdefault(link.parent.name, {})[link.name] = manifest
    return steps


def _read_or_explain(folder: Path) -> Manifest | None:
    """The manifest of a folder. Raises: ArtifactError: it is damaged; the error has the command that repairs it."""
    try:
        return read_manifest(folder)
    except ArtifactError as error:
        raise ArtifactError(error.what, where=folder, got=error.got, do=repair_remedy(folder)) from error


def _read_undamaged(folder: Path) -> Manifest | None:
    """The manifest of a folder, or None if it is damaged, which `verify` reports."""
    try:
        return read_manifest(folder)
    except ArtifactError:
        return None
