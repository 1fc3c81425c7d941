"""What a run was run with: recorded beside it, never part of an identity."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from oceanpath.cores import open_cores
from oceanpath.pipeline.fingerprint import software

READ = (
    "CUDA_VISIBLE_DEVICES",
    "HDF5_USE_FILE_LOCKING",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "MKL_CBWR",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_CPUS_PER_TASK",
    "SLURM_JOB_ID",
)
"""Environment variables that we, or the libraries we compute with, read. No token is ever among them."""


def environment() -> dict[str, Any]:
    """Software, platform, processors, GPUs, the project's git commit and the variables that matter."""
    return {
        "software": software(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": open_cores(),
        "gpus": _gpus(),
        "executable": Path(sys.executable).name,
        "git": _git(),
        "variables": {name: os.environ[name] for name in READ if name in os.environ},
    }


def _processor() -> str:
    """Model name of the processor, where the kernel tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _gpus() -> list[str]:
    """Model names of NVIDIA GPUs, where the driver tells."""
    found = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    lines = [line for path in found for line in path.read_text().splitlines() if line.startswith("Model")]
    return [line.partition(":")[2].strip() for line in lines]


def _git() -> dict[str, Any] | None:
    """Commit of the folder the command runs in, and whether it has changes; None outside a repository."""
    try:
        ask = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
        said = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    commit = next((line.split()[-1] for line in said if line.startswith("# branch.oid")), "")
    return {"commit": commit, "dirty": any(not line.startswith("#") for line in said)}
