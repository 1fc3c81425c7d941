"""What several test folders share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples everywhere: a failure on another machine can be repeated here.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")

ROOT = Path(__file__).resolve().parent.parent
MAIN = "from oceanpath.cli import main; main()"


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a finished quickstart: the one OCEANPATH_QUICKSTART names, or one made now."""
    made = os.environ.get("OCEANPATH_QUICKSTART")
    if made:
        return Path(made)
    workspace = tmp_path_factory.mktemp("quickstart") / "outputs"
    file = str(ROOT / "experiments" / "quickstart.toml")
    subprocess.run([sys.executable, "-c", MAIN, "run", file, "--workspace", str(workspace)], check=True)
    return workspace
