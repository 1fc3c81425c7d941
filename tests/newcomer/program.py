"""OceanPath in a virtual environment of its own."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..conftest import ROOT


class Output(NamedTuple):
    """Exit code and printed lines of a command."""

    code: int
    lines: list[str]


class Program:
    """The command `oceanpath` of an environment."""

    def __init__(self, environment: Path) -> None:
        self.folder = environment / "bin"

    def run(self, words: Sequence[str], folder: Path) -> Output:
        """Run `oceanpath` with arguments; stdout and stderr together."""
        command = [str(self.folder / "oceanpath"), *words]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return Output(done.returncode, done.stdout.splitlines())


def build_wheel(folder: Path) -> Path:
    """The wheel of the project, built in `folder`."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    subprocess.run(pip, check=True)
    (wheel,) = folder.glob("oceanpath-*.whl")
    return wheel


def install(scratch: Path) -> Program:
    """Build the wheel, and install it with everything that it needs in a new environment."""
    venv.create(scratch / "venv", with_pip=True)
    python = scratch / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", build_wheel(scratch)], check=True)
    return Program(scratch / "venv")
