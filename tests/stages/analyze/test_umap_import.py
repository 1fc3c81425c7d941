"""A read-only installation of a user without a home: numba has no folder for what it compiles."""

import os
import subprocess
import sys

import pytest

CODE = """
import tempfile
from pathlib import Path
from oceanpath.stages.analyze.umap_import import import_umap
print(import_umap().UMAP.__name__, len(list(Path(tempfile.gettempdir()).glob("oceanpath-numba-*"))))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("locators", "folders"), [("", 0), ("UserProvidedCacheLocator", 1)])
def test_without_a_cache_folder_umap_is_imported_all_the_same_and_nothing_stays(tmp_path, locators, folders):
    # UserProvidedCacheLocator leaves numba none of its own choices: not beside the source, not in the user's home.
    here = {"TMPDIR": str(tmp_path), "NUMBA_CACHE_DIR": "", "NUMBA_CACHE_LOCATOR_CLASSES": locators}
    ask = [sys.executable, "-c", CODE]
    done = subprocess.run(ask, env=os.environ | here, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["UMAP", str(folders)]
    assert not list(tmp_path.iterdir())
