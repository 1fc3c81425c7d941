"""Every verb prints on every terminal: characters that its encoding lacks are escaped, without a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

ENCODINGS = {
    "gbk": {"PYTHONIOENCODING": "gbk"},
    "strict ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "the C locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}
NAME = "切片 é ±\U0001d4b3"
"""Of characters that GBK, Latin-1 or ASCII lack."""
EXPERIMENT = f'name = "mine"\n[data]\nfeatures = "features"\nclasses = ["{NAME}", "R"]\n[curate]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "features").mkdir()
    (tmp_path / "oceanpath.toml").write_text(EXPERIMENT, encoding="utf-8")
    return tmp_path


def call(folder: Path, encoding: str, *words: str, script: str = "") -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "LANG", "PYTHONUTF8")}
    code = script or "from oceanpath.cli import main; main()"
    environment = {**kept, **ENCODINGS[encoding]}
    said = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, env=environment, capture_output=True)
    assert b"Traceback" not in said.stderr, said.stderr.decode(errors="replace")
    return said


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "train --help",
        "models list",
        "encoders list",
        "encoders list --json",
        "config schema",
        "ledger --help",
    ],
)
def test_what_needs_no_experiment(line: str, encoding: str, folder: Path) -> None:
    said = call(folder, encoding, *line.split())
    assert said.returncode == 0
    assert said.stdout


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_errors_progress_and_plans(encoding: str, folder: Path) -> None:
    """A name of characters that no such terminal has, in every stream."""
    planned = call(folder, encoding, "run", "--dry-run")
    assert planned.returncode == 2 and b"curate" in planned.stdout  # the plan, then what is known to be wrong
    said = call(folder, encoding, "run", "--set", f"curate.{NAME}=1")
    assert said.returncode == 2
    assert said.stderr.startswith(b"experiment: ") or b"error: " in said.stderr
    assert call(folder, encoding, "run").returncode == 2  # no feature files
    assert call(folder, encoding, f"{NAME}").returncode == 2  # typer's own message


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_machines_read_loses_nothing(encoding: str, folder: Path) -> None:
    """An escaped character is one that JSON and TOML read back."""
    shown = call(folder, encoding, "config", "show").stdout.decode(
        encoding if encoding in ("gbk", "latin-1") else "ascii"
    )
    assert tomli.loads(shown)["data"]["classes"] == [NAME, "R"]
    json.loads(call(folder, encoding, "encoders", "list", "--json").stdout)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_live_bars(encoding: str, folder: Path) -> None:
    """What rich draws: bars, spinner and lines."""
    script = (
        "from oceanpath.cli import escape_unencodable; escape_unencodable()\n"
        "from types import SimpleNamespace as S\n"
        "from oceanpath.cli.live import Live\n"
        "from oceanpath.cli.steps import Steps\n"
        f"step = S(name={NAME!a}, stage=S(name='x'))\n"
        "screen = Live(Steps((step,)))\n"
        f"progress = screen.begin(step, [{NAME!a}])\n"
        f"progress.start(3, {NAME!a}); progress.advance(); progress.inside(1.5, {NAME!a}); progress.note({NAME!a})\n"
        f"progress.phase({NAME!a}); screen.close()\n"
    )
    assert call(folder, encoding, script=script).returncode == 0
