"""What lies in a workspace: looking it over, letting go of what nothing uses, and finding it all again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from oceanpath.errors import ArtifactError, make_again
from oceanpath.pipeline.digests import DigestCache, hash_file
from oceanpath.pipeline.leases import removal
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.locks import holder
from oceanpath.pipeline.processes import token
from oceanpath.pipeline.publish import move_aside
from oceanpath.pipeline.workspace import Manifest, Workspace, read_manifest, sealed_files


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, and what mends it."""

    where: Path
    problem: str
    do: str
    file: Path | None = None
    """The file whose bytes are damaged."""


def published(workspace: Workspace) -> list[Path]:
    """Every folder at a final place, stages and parts, sorted."""
    return sorted(
        path
        for kind in ("runs", "parts")
        for path in workspace.root.glob(f"{kind}/*/*")
        if path.is_dir() and not path.name.startswith(".")
    )


def links(workspace: Workspace) -> list[Path]:
    """What the experiments use now: ``experiments/<name>/<step>``, sorted."""
    found = (path for path in workspace.root.glob("experiments/*/*") if path.is_symlink())
    return sorted(path for path in found if not path.name.startswith("."))  # a hidden one was never finished


def verify(workspace: Workspace, *, deep: bool, mend: bool = False, folders: Sequence[Path] = ()) -> list[Finding]:
    """Look everything over: manifests, missing and extra files, sizes; with `deep` every byte, outside inputs too.

    With `mend`, damaged folders are set aside, and so is every folder that has a hard link to a damaged file: the next
    run makes them again. With `folders`, only these are looked at.

    Raises: StageError: with `mend`, a run is using the workspace.
    """
    look = _Inspection(deep)
    found = [finding for folder in folders or published(workspace) for finding in look.at(folder)]
    if not folders:
        gone = [link for link in links(workspace) if not link.exists()]
        found += [Finding(link, "what the experiment uses is gone", "oceanpath run EXPERIMENT") for link in gone]
        found += _inspect_ledger(workspace)
    if deep and not folders:
        for path in DigestCache(workspace.digests).recheck():
            problem = "an outside input changed without changing its size and time"
            found.append(Finding(path, problem, "oceanpath run EXPERIMENT (its digest is forgotten now)"))
    if mend:
        damaged = {finding.where for finding in found if finding.where.is_dir()}
        with removal(workspace):
            for folder in sorted(damaged | _linked_to(workspace, [finding.file for finding in found if finding.file])):
                move_aside(workspace, folder)
    return found


@dataclass(frozen=True)
class _Inspection:
    """A look at published folders: at every byte where it is `deep`, but once at what several of them link."""

    deep: bool
    digests: dict[tuple[int, int], str] = field(default_factory=dict)
    """(device, inode) → digest."""

    def at(self, folder: Path) -> list[Finding]:
        """What is wrong with a folder."""
        do = make_again(folder)
        try:
            manifest = read_manifest(folder)
        except ArtifactError as error:
            return [Finding(folder, error.render(), do)]
        if manifest is None:
            return []
        there = {path.relative_to(folder).as_posix() for path in sealed_files(folder)}
        found = [Finding(folder, f"extra file {name}", do) for name in sorted(there - set(manifest.files))]
        local = {name: entry for name, entry in manifest.local.items() if (folder / name).exists()}
        for name, entry in {**manifest.files, **local}.items() if self.deep else ():
            if self._digest(folder / name) != entry["digest"]:
                found.append(Finding(folder, f"{name} differs from its digest", do, folder / name))
        return found

    def _digest(self, path: Path) -> str:
        state = path.stat()
        key = (state.st_dev, state.st_ino)
        if key not in self.digests:
            self.digests[key] = hash_file(path)
        return self.digests[key]


def _inspect_ledger(workspace: Workspace) -> list[Finding]:
    try:
        if workspace.ledger.exists():
            Ledger(workspace.ledger, read_only=True).close()
    except ArtifactError as error:
        return [Finding(workspace.ledger, error.what, error.do)]
    return []


def _linked_to(workspace: Workspace, files: Sequence[Path]) -> set[Path]:
    """The published folders that hold a hard link to one of `files`."""
    damaged = {(state.st_dev, state.st_ino) for state in (path.stat() for path in files)}
    found = set()
    for folder in published(workspace) if damaged else ():
        states = (path.stat() for path in sealed_files(folder))
        if any((state.st_dev, state.st_ino) in damaged for state in states):
            found.add(folder)
    return found


def unused(workspace: Workspace) -> list[Path]:
    """Folders that no experiment reaches and nobody is making, things set aside, and what dead processes left."""
    kept: set[str] = set()
    for link in links(workspace):
        if link.exists():
            manifest = _manifest(link.resolve())
            kept |= {link.resolve().name, *(manifest.parts.values() if manifest else ())}
    kept |= {path.name for path in workspace.locks.glob("[!.]*") if holder(workspace.locks, path.name)}
    return [folder for folder in published(workspace) if folder.name not in kept] + sorted(
        workspace.root.glob("set_aside/*")
    )


def prune(workspace: Workspace, folders: list[Path]) -> None:
    """Remove folders; each disappears from its place in one step before its files go. For use inside a `removal`."""
    for folder in folders:
        away = folder.with_name(f".{folder.name}.{token()}.pruned")
        with suppress(FileNotFoundError):  # another process pruned it
            folder.rename(away)
            shutil.rmtree(away)
    for left in workspace.root.glob("*/*/.*.pruned"):
        shutil.rmtree(left, ignore_errors=True)
    workspace.sweep(journals=True)


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rebuild(workspace: Workspace) -> tuple[int, int]:
    """Make the ledger anew from the folders alone; the old file, if any, is kept beside it under another name.

    Returns:
        How many published folders and how many experiments were found.

    Raises: StageError: a run is using the workspace, and writes to its ledger.
    """
    with removal(workspace):
        return _rebuild(workspace)


def _rebuild(workspace: Workspace) -> tuple[int, int]:
    fresh = workspace.ledger.with_name(f".ledger-{token()}.sqlite")
    steps = dict(_steps(workspace))
    with Ledger(fresh) as ledger:
        folders = [manifest for folder in published(workspace) if (manifest := _sound(folder))]
        for manifest in folders:
            ledger.add_artifact(manifest)
        for name, made in steps.items():
            ledger.add_past(name, made)
    if workspace.ledger.exists():
        workspace.ledger.rename(workspace.ledger.with_name(f"ledger-before-{token()}.sqlite"))
    fresh.rename(workspace.ledger)
    return len(folders), len(steps)


def _steps(workspace: Workspace) -> Iterator[tuple[str, dict[str, Manifest]]]:
    made: dict[str, dict[str, Manifest]] = {}
    for link in links(workspace):
        if link.exists() and (manifest := _sound(link.resolve())):
            made.setdefault(link.parent.name, {})[link.name] = manifest
    yield from made.items()


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except ArtifactError as error:
        raise ArtifactError(error.what, where=folder, got=error.got, do=make_again(folder)) from error


def _sound(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except ArtifactError:
        return None  # `verify` tells; a ledger lists only what is whole
