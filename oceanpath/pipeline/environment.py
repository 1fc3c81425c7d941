"""Software and hardware of a run: recorded with it, never part of an identity."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from oceanpath.cores import available_cores
from oceanpath.pipeline.fingerprint import software

VARIABLES = (
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
"""Environment variables that OceanPath or its libraries read; none of them is an access token."""


def environment() -> dict[str, Any]:
    """Software, platform, processors, GPUs, the git commit of the current folder, and relevant variables."""
    return {
        "software": software(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": available_cores(),
        "gpus": _gpus(),
        "executable": Path(sys.executable).name,
        "git": _git(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _processor() -> str:
    """Model name of the processor, where the kernel reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _gpus() -> list[str]:
    """Model names of NVIDIA GPUs, where the driver reports them."""
    files = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    lines = [line for path in files for line in path.read_text().splitlines() if line.startswith("Model")]
    return [line.partition(":")[2].strip() for line in lines]


def _git() -> dict[str, Any] | None:
    """Commit of the current folder, and whether it has uncommitted changes; None outside a repository."""
    try:
        command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
        lines = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), "")
    return {"commit": commit, "dirty": any(not line.startswith("#") for line in lines)}
