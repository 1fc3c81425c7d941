"""Where the source of a user's own encoder is, without importing it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from oceanpath.errors import ExperimentError
from oceanpath.slides.encoders.weights import hash_file


def source_of(name: str) -> Path:
    """The file that ``module:factory`` names; modules of the current folder are found too.

    Raises: ExperimentError: it is not of that form, or there is no such module.
    """
    module, _, factory = name.partition(":")
    where, form = "extract.encoder", "module:factory"
    if not factory.isidentifier() or not all(step.isidentifier() for step in module.split(".")):
        raise ExperimentError("not the name of an encoder of your own", where=where, expected=form, got=name)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError as error:
        raise ExperimentError("no such module", where=where, expected=form, got=f"{name} ({error})") from error
    if spec is None or spec.origin is None:
        do = "Run where the module is, or put its folder on PYTHONPATH."
        raise ExperimentError("no such module", where=where, expected=form, got=name, do=do)
    return Path(spec.origin)


def source_digest(name: str) -> str:
    """sha256 of the source file of ``module:factory``: changed code gives other features. Raises as `source_of`."""
    return hash_file(source_of(name))
