"""Checks before the work starts that the output paths of a command can be written."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

from oceanpath.errors import ExperimentError


def prepare_folder(folder: Path, flag: str = "--out") -> None:
    """Create `folder` and its parents, and check that files can be written in it.

    Raises: ExperimentError: a file has this name or the name of a parent, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise _error("there is a file where a folder is needed", flag, folder, error.filename) from error
    except OSError as error:
        raise _error("the folder cannot be written", flag, folder, error.strerror) from error


def prepare_new_folder(folder: Path, flag: str = "--out") -> None:
    """`prepare_folder` for a folder that must not contain files. Raises: ExperimentError: as there, or it does."""
    prepare_folder(folder, flag)
    if any(folder.iterdir()):
        raise _error("the folder is not empty", flag, folder, next(folder.iterdir()).name)


def prepare_file(path: Path, flag: str = "--out") -> None:
    """Check that `path` can be written, without changing its content.

    Raises: ExperimentError: a folder has this name, its folder does not exist, or it cannot be written.
    """
    if path.is_dir():
        raise _error("there is a folder where a file is needed", flag, path, "a folder")
    if not path.parent.is_dir():
        do = f"Create it with `mkdir -p {shlex.quote(str(path.parent))}`, or name another file with {flag}."
        raise ExperimentError("the folder of the file does not exist", where=f"{flag} {path}", do=do)
    existed = path.exists()
    if existed and not path.is_file():
        return  # a device or a pipe
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666))
        if not existed:
            path.unlink()
    except OSError as error:
        raise _error("the file cannot be written", flag, path, error.strerror) from error


def prepare_folders(**folders: Path | None) -> None:
    """`prepare_folder` for several options: ``prepare_folders(out=out, scratch=scratch)``."""
    for flag, folder in folders.items():
        if folder is not None:
            prepare_folder(folder, f"--{flag}")


def _error(what: str, flag: str, path: Path, got: object) -> ExperimentError:
    return ExperimentError(what, where=f"{flag} {path}", got=got, do=f"Name another with {flag}.")
