"""Where TRIDENT's interpreter is, and what to say when it, or TRIDENT in it, is not there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from oceanpath.errors import ExperimentError, MissingExtraError, OceanPathError
from oceanpath.slides.trident.driver import kind_of

VARIABLE = "OCEANPATH_TRIDENT_PYTHON"
RECIPE = (
    "Install MahmoodLab TRIDENT (not on PyPI, CC BY-NC-ND) into a Python 3.10 or 3.11 of its own as docs/trident.md "
    f'says, and set extract.trident_python or {VARIABLE}; or set extract.backend = "native".'
)


def find_interpreter(asked: str) -> Path:
    """The interpreter that `asked` names (a path, or a command of PATH), else the one in OCEANPATH_TRIDENT_PYTHON.

    Raises:
        MissingExtraError: none is named; says so if this interpreter has one of the packages called trident.
        ExperimentError: what is named is no program.
    """
    where, named = ("extract.trident_python", asked) if asked else (VARIABLE, os.environ.get(VARIABLE, ""))
    if not named:
        beside = {"trident": "TRIDENT is installed beside OceanPath, whose packages it cannot share"}
        beside["astrophysics"] = "the package `trident` beside OceanPath is the astrophysics package"
        raise MissingExtraError("no interpreter with TRIDENT is named", got=beside.get(kind_of(), ""), do=RECIPE)
    found = shutil.which(Path(named).expanduser())
    if found is None:
        raise ExperimentError("no such interpreter", where=where, got=named, do=RECIPE)
    return Path(found).absolute()


def refusal(found: str, python: Path) -> OceanPathError:
    """The error for an interpreter without TRIDENT; `found` is what the driver saw there."""
    if found == "astrophysics":
        do = f"Remove it (pip uninstall trident): both import as `trident`. {RECIPE}"
        return MissingExtraError("the `trident` here is the astrophysics package, not TRIDENT", where=python, do=do)
    return MissingExtraError("TRIDENT is not installed here", where=python, do=RECIPE)
