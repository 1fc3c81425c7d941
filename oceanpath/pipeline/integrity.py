"""Comparison of published files with their sealed digests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from oceanpath.errors import ArtifactError, repair_remedy, shorten_list
from oceanpath.pipeline.digests import hash_files
from oceanpath.pipeline.workspace import MANIFEST, read_manifest

Chosen = Callable[[str], bool]
"""Whether to compare the file with this relative name."""


def changed(folder: Path, chosen: Chosen, *, linked: bool = False) -> list[Path]:
    """The files of a published folder, among those `chosen`, that differ from their sealed digests.

    If they are only `linked`, those that were written to after sealing are compared too.

    Raises: ArtifactError: the folder does not contain a complete result.
    """
    try:
        manifest = read_manifest(folder)
        if manifest is None:
            raise ArtifactError("a published folder does not exist", where=folder)
        entries = {**manifest.files, **{name: e for name, e in manifest.local.items() if (folder / name).exists()}}
        names = list(filter(chosen, entries))
        if linked:
            sealed = (folder / MANIFEST).stat().st_mtime_ns
            left = entries.keys() - set(names)
            names += sorted(name for name in left if (folder / name).stat().st_mtime_ns > sealed)
        digests = hash_files([folder / name for name in names])
    except (ArtifactError, OSError) as error:
        what, got = (error.what, error.got) if isinstance(error, ArtifactError) else ("a file cannot be read", error)
        raise ArtifactError(what, where=folder, got=got, do=repair_remedy(folder)) from error
    return [folder / n for n, digest in zip(names, digests, strict=True) if digest != entries[n]["digest"]]


def verify_files(folder: Path, names: Iterable[str]) -> None:
    """Compare the named files, as far as they exist, before a command reads them; accepts a folder without manifest.

    Raises: ArtifactError: a file differs from its sealed digest.
    """
    if _is_sealed(folder):
        refuse(changed(folder.resolve(), set(names).__contains__))


def refuse(damaged: list[Path]) -> None:
    """Raise an error that names damaged files, if any, and the command that sets their folders aside."""
    if damaged:
        folders = {next(filter(_is_sealed, path.parents)) for path in damaged}
        got = f"{len(damaged)} such files, also {shorten_list(damaged[1:], 4)}" if len(damaged) > 1 else ""
        do = repair_remedy(*sorted(folders))
        raise ArtifactError("the file differs from its sealed digest", where=damaged[0], got=got, do=do)


def _is_sealed(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()
