"""No verb looks up a name, sends a packet or leaves a file in the user's home, apart from the caches stated here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .conftest import MAIN, Cohort
from .serving.conftest import free_port

WATCH = Path(__file__).with_name("watched_network.py")
CACHES = (".cache/matplotlib/", ".cache/numba/")
"""matplotlib's list of fonts; compiled code where the installation cannot be written."""
SILENCING = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
"""What would hide that a library is not switched off."""
SERVE = """
import subprocess, sys, time, urllib.request
port, features, *command = sys.argv[1:]
server = subprocess.Popen(command + ["--port", port])
url = f"http://127.0.0.1:{port}"
for _ in range(100):
    try:
        urllib.request.urlopen(url + "/health").close()
        break
    except OSError:
        time.sleep(0.2)
urllib.request.urlopen(url + "/predict", open(features, "rb").read()).close()
time.sleep(14)  # onnxruntime sends what it has collected about ten seconds after its import
server.terminate()
sys.exit(server.wait())
"""


def _can_watch() -> bool:
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _can_watch(), reason="needs root, unshare and ip: a network namespace of its own"),
]


def reporting_progress(home: Path, *command: str) -> list[str]:
    """Run a command; returns what it tried to reach, and the files it left in `home`, an empty folder."""
    report = home.with_name("report")
    kept = {k: v for k, v in os.environ.items() if k not in SILENCING and not k.startswith(("XDG_", "HF_"))}
    done = subprocess.run(
        ["unshare", "--net", sys.executable, str(WATCH), str(report), *command],
        env=kept | {"HOME": str(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    return report.read_text().splitlines() + [name for name in files if not name.startswith(CACHES)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


class Project(Cohort):
    """The sixteen slides with an experiment of every stage, run once; `seen` is what that run tried to reach."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        random = np.random.default_rng(0)
        for number, name in enumerate(self.names()):
            self.put(name, random.normal(number % 4 < 2, 1, (20, 8)).astype(np.float16))
        self.toml += '[model]\nname = "static"\n[train]\nepochs = 2\n[eval]\nresamples = 100\n[analyze]\n[export]\n'
        (folder / "oceanpath.toml").write_text(self.toml)
        (folder / "home").mkdir()
        file = str(folder / "oceanpath.toml")
        self.seen = reporting_progress(folder / "home", *PYTHON, "run", file, "--workspace", str(folder / "out"))
        self.bundle = folder / "out" / "experiments" / "oceanpath" / "export"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


PYTHON = (sys.executable, "-c", MAIN)
LIGHT = ("--help", "--version", "encoders list", "models list", "config schema", "bench --help")


def test_an_attempt_is_seen(home: Path) -> None:
    code = (
        "import socket, pathlib\n"
        "for reach in (lambda: socket.getaddrinfo('example.org', 443),"
        " lambda: socket.create_connection(('192.0.2.1', 443), 1)):\n"
        "    try: reach()\n"
        "    except OSError: pass\n"
        "pathlib.Path('~/.seen').expanduser().touch()"
    )
    found = reporting_progress(home, sys.executable, "-c", code)
    assert {"looked up example.org", "sent to 192.0.2.1 port 443", ".seen"} <= set(found)


@pytest.mark.parametrize("line", LIGHT)
def test_light_commands(home: Path, line: str) -> None:
    assert reporting_progress(home, *PYTHON, *line.split()) == []


def test_a_run_of_every_stage(project: Project) -> None:
    assert project.seen == []


@pytest.mark.parametrize("line", ["train --force train --jobs 2"])  # the others are stages of the run of every stage
def test_a_single_verb(home: Path, project: Project, line: str) -> None:
    where = ("-e", str(project.folder / "oceanpath.toml"), "--workspace", str(project.folder / "out"))
    assert reporting_progress(home, *PYTHON, *line.split(), *where) == []


def test_a_run_from_slides(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "slides.toml"
    file.write_text(
        '[demo]\nslides = 4\nside_px = 1024\n[data]\nlabel = "label"\nclasses = ["normal", "tumour"]\n'
        '[extract]\nencoder = "efficientnet_lite0"\n'
    )
    assert reporting_progress(home, *PYTHON, "run", str(file), "--workspace", str(tmp_path / "out")) == []


def test_predict(home: Path, project: Project) -> None:
    assert reporting_progress(home, *PYTHON, "predict", str(project.file()), "--bundle", str(project.bundle)) == []


def test_models_verify(home: Path) -> None:
    assert reporting_progress(home, *PYTHON, "models", "verify", "static") == []


def test_serve(home: Path, project: Project) -> None:
    command = (*PYTHON, "serve", str(project.bundle))
    assert reporting_progress(home, sys.executable, "-c", SERVE, str(free_port()), str(project.file()), *command) == []


def test_the_python_package(home: Path) -> None:
    code = "import oceanpath, onnxruntime, umap, matplotlib.figure, oceanpath.fit.trainer"
    assert reporting_progress(home, sys.executable, "-W", "ignore", "-c", code) == []
