"""The interpreter of TRIDENT, and the errors if it, or TRIDENT in it, is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from oceanpath.errors import ExperimentError, MissingExtraError, OceanPathError
from oceanpath.slides.trident.driver import installed_package

VARIABLE = "OCEANPATH_TRIDENT_PYTHON"
RECIPE = (
    "Install MahmoodLab TRIDENT (not on PyPI, CC BY-NC-ND) into its own Python 3.10 or 3.11 (see docs/trident.md), "
    f'and set extract.trident_python or {VARIABLE}; or set extract.backend = "native".'
)


def find_interpreter(name: str) -> Path:
    """The interpreter `name` (a path, or a command on PATH); for an empty name that of OCEANPATH_TRIDENT_PYTHON.

    Raises:
        MissingExtraError: none is set; the error mentions a package called trident in this interpreter.
        ExperimentError: there is no such program.
    """
    where, named = ("extract.trident_python", name) if name else (VARIABLE, os.environ.get(VARIABLE, ""))
    if not named:
        installed = {"trident": "TRIDENT is installed in OceanPath's environment, with whose packages it conflicts"}
        installed["astrophysics"] = "the package `trident` in OceanPath's environment is the astrophysics package"
        raise MissingExtraError(
            "no Python interpreter with TRIDENT is set", got=installed.get(installed_package(), ""), do=RECIPE
        )
    program = shutil.which(Path(named).expanduser())
    if program is None:
        raise ExperimentError("no such interpreter", where=where, got=named, do=RECIPE)
    return Path(program).absolute()


def missing_trident_error(kind: str, python: Path) -> OceanPathError:
    """The error for an interpreter without TRIDENT; `kind` is the result of its `installed_package`."""
    if kind == "astrophysics":
        do = f"Remove it (pip uninstall trident): both import as `trident`. {RECIPE}"
        return MissingExtraError(
            "the package `trident` of this interpreter is the astrophysics package, not TRIDENT", where=python, do=do
        )
    return MissingExtraError("TRIDENT is not installed in this interpreter", where=python, do=RECIPE)
