"""Import umap, even if neither the installation nor the user's home is writable.

numba caches compiled functions next to their source or in the user's cache folder, and umap cannot be imported if
neither is writable. Only in this case they are cached in a temporary folder until the process ends.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from tempfile import TemporaryDirectory
from types import ModuleType

NO_CACHE = "no locator available"
"""Part of numba's error message if it has no writable folder."""
COMPILED = ("umap", "pynndescent")
_folders: list[TemporaryDirectory[str]] = []
"""Removed when the process ends."""


def import_umap() -> ModuleType:
    """The module umap; its import compiles, which takes seconds.

    Raises: RuntimeError: it cannot be imported, for a reason other than a missing cache folder.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # umap warns if TensorFlow is not installed
        try:
            return importlib.import_module("umap")
        except RuntimeError as error:
            if NO_CACHE not in str(error):
                raise
        import numba

        _folders.append(TemporaryDirectory(prefix="oceanpath-numba-"))
        numba.config.CACHE_DIR = _folders[-1].name  # type: ignore[attr-defined]  # set by numba when it is imported
        for name in [name for name in sys.modules if name.partition(".")[0] in COMPILED]:
            del sys.modules[name]  # partially imported
        return importlib.import_module("umap")
