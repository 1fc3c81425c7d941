"""Processor, memory, accelerators, and the programs of a cluster."""

from __future__ import annotations

import os
import platform
import shutil

from oceanpath.cores import available_cores, usable_cores
from oceanpath.diagnosis.finding import Finding, State

GROUP = "machine"
SCHEDULERS = ("sbatch", "qsub", "bsub")
GIB = 2**30


def check_machine() -> list[Finding]:
    """Everything about the machine."""
    return [_processor(), _memory(), _accelerator(), _scheduler()]


def _processor() -> Finding:
    cores, usable, limit = available_cores(), usable_cores(), os.environ.get("OMP_NUM_THREADS", "")
    limited = f", {usable} used because OMP_NUM_THREADS is {limit}" if limit else ""
    text = f"{platform.system()} {platform.machine()}, {cores} of {os.cpu_count()} cores available{limited}"
    return Finding(GROUP, "processor", State.OK, text)


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    text = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB available"
    return Finding(GROUP, "memory", State.OK, text)


def _accelerator() -> Finding:
    import torch

    if torch.cuda.is_available():
        devices = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        names = ", ".join(f"{each.name} ({each.total_memory / GIB:.0f} GiB)" for each in devices)
        return Finding(GROUP, "accelerator", State.OK, f"CUDA {torch.version.cuda}: {names}")
    if torch.backends.mps.is_available():
        return Finding(GROUP, "accelerator", State.OK, "MPS")
    built = f"torch was built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch was built without CUDA"
    driver = ", an NVIDIA driver is installed" if shutil.which("nvidia-smi") else ""
    return Finding(GROUP, "accelerator", State.ABSENT, f"none; {built}{driver}. Everything runs on the processor")


def _scheduler() -> Finding:
    programs = [name for name in SCHEDULERS if shutil.which(name)]
    text = f"{', '.join(programs)} is installed" if programs else "no scheduler of a cluster is installed"
    return Finding(GROUP, "cluster", State.OK if programs else State.ABSENT, text)
