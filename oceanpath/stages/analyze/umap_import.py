"""umap, importable where neither the installation nor the user's home can be written.

numba keeps compiled functions beside their source or in the user's cache folder, and refuses to import umap where it
can write to neither. Then, and only then, they are kept in a temporary folder for as long as this process lives.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from tempfile import TemporaryDirectory
from types import ModuleType

NO_CACHE = "no locator available"
"""numba's words where it has no folder to write to."""
COMPILED = ("umap", "pynndescent")
_folders: list[TemporaryDirectory[str]] = []
"""Removed when the process ends."""


def import_umap() -> ModuleType:
    """The module umap; its import compiles, which takes seconds.

    Raises: RuntimeError: it cannot be imported for another reason than a missing cache folder.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # umap warns everybody who has no Tensorflow
        try:
            return importlib.import_module("umap")
        except RuntimeError as error:
            if NO_CACHE not in str(error):
                raise
        import numba

        _folders.append(TemporaryDirectory(prefix="oceanpath-numba-"))
        numba.config.CACHE_DIR = _folders[-1].name  # type: ignore[attr-defined]  # set by numba when it is imported
        for name in [name for name in sys.modules if name.partition(".")[0] in COMPILED]:
            del sys.modules[name]  # half imported
        return importlib.import_module("umap")
