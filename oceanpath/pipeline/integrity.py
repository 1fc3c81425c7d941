"""Published files compared with their sealed digests, by a step before it reads what its parents published.

Small files are read and compared each time. Files that a stage names in `Stage.self_checked` are compared by its work
where it first reads them, so that no step reads gigabytes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from oceanpath.errors import ArtifactError, make_again
from oceanpath.pipeline.digests import hash_files
from oceanpath.pipeline.stage import Inputs, Stage
from oceanpath.pipeline.workspace import MANIFEST, read_manifest

SHOWN = 5
Chosen = Callable[[str], bool]
"""Whether the file of a relative name is to be compared."""


def verified(inputs: Inputs, stage: Stage) -> Inputs:
    """What a step may read, after comparison; of the earlier results only those that are not damaged.

    Raises: ArtifactError: a file of a parent differs from its sealed digest; all such files are counted.
    """
    if not inputs.verify:
        return inputs
    folders = {folder: name for name, variants in inputs.across.items() for folder in variants.values()}
    folders |= {folder: name for name, folder in inputs.parents.items()}
    refuse([path for folder, name in folders.items() for path in changed(folder, stage.compared(name))])
    return replace(inputs, earlier=tuple(folder for folder in inputs.earlier if _is_sound(folder, stage)))


def verify_parts(stage: Stage, folders: Iterable[Path]) -> None:
    """Compare parts before their files are linked into the whole. Raises: ArtifactError: as `verified`."""
    refuse([path for folder in folders for path in changed(folder, stage.compared(stage.name), linked=True)])


def changed(folder: Path, chosen: Chosen, *, linked: bool = False) -> list[Path]:
    """The files of a published folder, among those `chosen`, that differ from their sealed digests.

    Where files are only `linked`, those that were written to after they were sealed are compared too.

    Raises: ArtifactError: nothing whole is published there.
    """
    try:
        manifest = read_manifest(folder)
        if manifest is None:
            raise ArtifactError("a published folder is gone", where=folder)
        entries = {**manifest.files, **{name: e for name, e in manifest.local.items() if (folder / name).exists()}}
        names = list(filter(chosen, entries))
        if linked:
            sealed = (folder / MANIFEST).stat().st_mtime_ns
            left = entries.keys() - set(names)
            names += sorted(name for name in left if (folder / name).stat().st_mtime_ns > sealed)
        digests = hash_files([folder / name for name in names])
    except (ArtifactError, OSError) as error:
        what, got = (error.what, error.got) if isinstance(error, ArtifactError) else ("a file cannot be read", error)
        raise ArtifactError(what, where=folder, got=got, do=make_again(folder)) from error
    return [folder / n for n, digest in zip(names, digests, strict=True) if digest != entries[n]["digest"]]


def verify_files(folder: Path, names: Iterable[str]) -> None:
    """Compare those of the named files that are there, for a command that reads them; nothing if it was not published.

    Raises: ArtifactError: as `verified`.
    """
    if _is_sealed(folder):
        refuse(changed(folder.resolve(), set(names).__contains__))


def _is_sealed(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def refuse(damaged: list[Path]) -> None:
    """Raise where there are damaged files: names them, and the command that sets their folders aside."""
    if damaged:
        folders = {_folder(path) for path in damaged}
        others = ", ".join(str(path) for path in damaged[1:SHOWN])
        more = f" and {len(damaged) - SHOWN} more" if len(damaged) > SHOWN else ""
        got = f"{len(damaged)} such files, also {others}{more}" if others else ""
        do = make_again(*sorted(folders))
        raise ArtifactError("the file differs from its sealed digest", where=damaged[0], got=got, do=do)


def _is_sound(folder: Path, stage: Stage) -> bool:
    try:
        return not changed(folder, stage.compared(stage.name), linked=True)
    except ArtifactError:
        return False  # nothing is taken over from it


def _folder(path: Path) -> Path:
    return next(filter(_is_sealed, path.parents))
