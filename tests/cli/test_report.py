"""Every command that OceanPath proposes can be run as it is printed, by a shell, whatever the paths are called."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oceanpath.slides.demo.aperio import write_aperio

from ..conftest import MAIN, Cohort

TOML = """
[train]
epochs = 1
[model]
name = "abmil"
hidden = 4
[eval]
resamples = 100
[export]
formats = ["onnx"]
parity_patches = [1]
parity_batches = [1]
"""


class Shell:
    """A shell in a folder, with `oceanpath` on its PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        script = folder / "bin" / "oceanpath"
        script.write_text(f"#!{sys.executable}\n{MAIN}\n")
        script.chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}

    def run(self, line: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        said = subprocess.run(
            line, shell=True, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=280
        )
        assert said.returncode == code, f"{line}\n{said.stdout}\n{said.stderr}"
        return said

    def serves(self, line: str) -> None:
        """Start a server, and stop it when it listens."""
        server = subprocess.Popen(
            f"exec {line} --port {20000 + os.getpid() % 20000}",
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert server.stderr is not None
        first = server.stderr.readline()
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
        assert first.startswith("serving "), first


def proposed(text: str) -> list[str]:
    """The commands below the word Next."""
    found = [line.strip() for line in text.partition("\nNext\n")[2].splitlines() if line.startswith("  ")]
    assert found, text
    return found


@pytest.fixture
def shell(cohort: Cohort) -> Shell:
    """Paths with blanks and signs that mean something to a shell."""
    (cohort.folder / "it's mine").mkdir()
    data = cohort.toml.replace("features =", "root = '..'\nfeatures =")
    (cohort.folder / "it's mine" / "a $b.toml").write_text(f'name = "mine"\n{data}{TOML}')
    return Shell(cohort.folder)


@pytest.mark.slow
def test_after_a_run(shell: Shell) -> None:
    where = shlex.join(["-e", "it's mine/a $b.toml", "--workspace", "my out"])
    overrides = '--set \'data.classes=["NR", "R"]\' --set train.lr=1e-3'
    lines = proposed(shell.run(f"oceanpath train {overrides} {where}").stdout)
    assert [shlex.split(line)[1] for line in lines] == ["ledger", "eval"]
    for line in lines:
        assert shell.run(line).stdout
    refused = shell.run(f"oceanpath serve {where}", code=2).stderr
    shell.run(re.findall("`(oceanpath .*)`", refused)[0])  # exports the file's own model
    lines = proposed(shell.run(f"oceanpath run {where}").stdout)
    assert [shlex.split(line)[1] for line in lines] == ["ledger", "serve", "eval"]
    for line in lines[:2]:
        shell.serves(line) if " serve " in line else shell.run(line)
    removed = shell.run(lines[2]).stderr
    assert "removed the links to export" in removed
    assert "Nothing to do" not in shell.run(re.findall("`(oceanpath .*)`", removed)[0]).stdout
    steps = json.loads(shell.run("oceanpath ledger list --workspace 'my out' --stage train --state ok --json").stdout)
    assert len(steps) == 3, "no proposed command trained another model than it said"


def test_after_an_extraction_without_an_experiment(tmp_path: Path) -> None:
    pixels = np.full((768, 768, 3), 243, np.uint8)
    pixels[192:576, 192:576] = np.random.default_rng(0).integers(60, 200, (48, 48, 3)).repeat(8, 0).repeat(8, 1)
    (tmp_path / "slides").mkdir()
    write_aperio(tmp_path / "slides" / "a.svs", pixels, 0.5)
    shell = Shell(tmp_path)
    call = "oceanpath extract --slides slides --encoder hed_stats --set extract.patch_px=64 --out 'the features'"
    lines = proposed(shell.run(call).stdout)
    assert [shlex.split(line)[1] for line in lines] == ["curate", "ledger"]
    for line in lines:
        assert shell.run(line).stdout
    for line in proposed(shell.run(lines[0]).stdout):
        shell.run(line)
