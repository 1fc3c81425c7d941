"""The source file of a custom encoder, without importing it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from oceanpath.errors import ExperimentError
from oceanpath.slides.encoders.weights import hash_file


def source_of(name: str) -> Path:
    """The file that ``module:factory`` names; modules of the current folder are included.

    Raises: ExperimentError: the name has another form, or there is no such module.
    """
    module, _, factory = name.partition(":")
    where, form = "extract.encoder", "module:factory"
    if not factory.isidentifier() or not all(step.isidentifier() for step in module.split(".")):
        raise ExperimentError("not the name of a custom encoder", where=where, expected=form, got=name)
    if (current_folder := str(Path.cwd())) not in sys.path:
        sys.path.append(current_folder)
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError as error:
        raise ExperimentError("no such module", where=where, expected=form, got=f"{name} ({error})") from error
    if spec is None or spec.origin is None:
        do = "Run in the folder of the module, or add that folder to PYTHONPATH."
        raise ExperimentError("no such module", where=where, expected=form, got=name, do=do)
    return Path(spec.origin)


def source_digest(name: str) -> str:
    """SHA-256 of the source file of ``module:factory``, as its code determines the features. Raises as `source_of`."""
    return hash_file(source_of(name))
