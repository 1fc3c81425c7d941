"""What a run was run with: recorded beside it, never part of an identity."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from oceanpath import __version__
from oceanpath.pipeline.fingerprint import installed_version

PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "h5py", "scikit-learn", "torch", "lightning", "onnx", "onnxruntime")


def environment() -> dict[str, Any]:
    """Packages, Python, platform, cores and the project's git commit."""
    return {
        "oceanpath": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "executable": Path(sys.executable).name,
        "packages": {name: installed_version(name) for name in PACKAGES},
        "git": _git(),
    }


def _git() -> dict[str, Any] | None:
    """Commit of the folder the command runs in, and whether it has changes; None outside a repository."""
    try:
        ask = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
        said = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    commit = next((line.split()[-1] for line in said if line.startswith("# branch.oid")), "")
    return {"commit": commit, "dirty": any(not line.startswith("#") for line in said)}
