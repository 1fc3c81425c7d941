"""Replies of the driver in order, errors for missing packages, and no process that outlives its session."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import pytest

from oceanpath import child_process
from oceanpath.errors import ExperimentError, MissingExtraError, StageError
from oceanpath.slides.trident import driver
from oceanpath.slides.trident.interpreter import VARIABLE, find_interpreter
from oceanpath.slides.trident.session import Session

from ...narrowing import required
from . import stub


def quiet(_: str) -> None:
    """Ignore a line."""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return stub.install(tmp_path / "there", stub.FILES)


@pytest.fixture
def session(python: Path) -> Iterator[Session]:
    made = Session(python, 20, quiet)
    yield made
    made.close()


def request(work: Path, **more: Any) -> dict[str, Any]:
    work.mkdir(exist_ok=True)
    values = {"op": "slide", "id": "s", "path": "/slides/s.svs", "reader": "openslide", "mpp": 0.25, "work": str(work)}
    values |= {"segmenter": "otsu", "confidence": 0.5, "mag": 20, "patch_px": 256, "overlap": 0, "min_tissue": 0.1}
    return values | {"encoder": "counting", "weights": None, "device": "cpu", "batch": 8, "workers": 0} | more


def gone(pid: int) -> bool:
    """Whether a process ends within a few seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_slides_one_after_the_other(session: Session, tmp_path: Path) -> None:
    lines: list[str] = []
    for name in ("a", "b"):
        reply = session.ask(request(tmp_path / name, id=name, path=f"/slides/{name}.svs"), lines.append)
        assert (reply["id"], reply["status"]) == (name, "ok")
        with h5py.File(reply["features"]) as file:
            assert file["features"][:].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
            assert file["coords"][:].tolist() == [[0, 512], [512, 512], [1024, 512]]
    assert lines == ["trident: segmenting a", "trident: segmenting b"]  # its prints, without its bars
    assert session.versions["python"].startswith(f"{sys.version_info[0]}.")


def test_an_error_of_one_slide_does_not_affect_others(session: Session, tmp_path: Path) -> None:
    bad = session.ask(request(tmp_path / "w", path="/slides/bad.svs"), quiet)
    assert (bad["status"], bad["step"], bad["kind"]) == ("error", "open", "ValueError")
    unknown = session.ask(request(tmp_path / "w", encoder="uni9"), quiet)
    assert (unknown["step"], unknown["error"]) == ("load the encoder", "Unknown encoder name uni9")
    offline = session.ask(request(tmp_path / "w", segmenter="hest"), quiet)
    assert (offline["step"], offline["kind"]) == ("segment", "OSError")
    assert session.ask(request(tmp_path / "w", min_tissue=0.95), quiet)["status"] == "blank"
    assert session.ask(request(tmp_path / "w"), quiet)["status"] == "ok"


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        ("dies", "TRIDENT ended unexpectedly.*exit 9.*out of memory, killed"),
        ("surprises", "TRIDENT ended unexpectedly.*nobody expects this"),
    ],
)
def test_a_driver_that_dies_is_reported_with_its_last_lines(
    session: Session, tmp_path: Path, encoder: str, words: str
) -> None:
    with pytest.raises(StageError, match=words):
        session.ask(request(tmp_path / "w", encoder=encoder), quiet)
    assert not session.alive


def test_a_driver_that_hangs_is_killed_with_its_children(python: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    hanging = Session(python, 2, quiet)
    with pytest.raises(StageError, match=r"TRIDENT timed out.*within 2 s.*step: encode.*trident_silence_s"):
        hanging.ask(request(tmp_path / "w", encoder="hangs"), lines.append)
    assert not hanging.alive
    child = next(int(line.split()[-1]) for line in lines if line.startswith("trident: child"))
    assert gone(child)


def test_no_process_outlives_the_run(python: Path, tmp_path: Path) -> None:
    slide = repr(request(tmp_path / "w", encoder="hangs"))
    code = (
        "from pathlib import Path\nfrom oceanpath.slides.trident.session import Session\n"
        f"session = Session(Path({str(python)!r}), 60, lambda text: print(text, flush=True))\n"
        f"print(session._worker.pid, flush=True)\nsession.ask({slide}, lambda text: print(text, flush=True))\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pids = [int(owner.stdout.readline())]
    while "child" not in (line := owner.stdout.readline()):
        assert line
    pids.append(int(line.split()[-1]))
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert all(gone(pid) for pid in pids)


def test_packages_of_this_interpreter_do_not_reach_the_other(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path / "xxx"))  # Python would not even start
    opened = Session(python, 20, quiet)
    assert opened.ask(request(tmp_path / "w"), quiet)["status"] == "ok"
    opened.close()
    assert not opened.alive


def test_a_missing_trident_and_another_package_of_that_name_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"TRIDENT is not installed in this interpreter.*docs/trident.md"):
        Session(stub.install(tmp_path / "none", {}), 20, quiet)
    astrophysics = stub.install(tmp_path / "stars", {"__init__.py": "", "ion_balance.py": ""})
    with pytest.raises(MissingExtraError, match=r"astrophysics package, not TRIDENT.*pip uninstall trident"):
        Session(astrophysics, 20, quiet)


def test_the_interpreter_comes_from_the_setting_or_the_environment(
    python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(MissingExtraError, match=f"no Python interpreter with TRIDENT is set.*{VARIABLE}"):
        find_interpreter("")
    with pytest.raises(ExperimentError, match=r"extract.trident_python: no such interpreter.*nowhere/python"):
        find_interpreter("nowhere/python")
    monkeypatch.setenv(VARIABLE, "nowhere/python")
    with pytest.raises(ExperimentError, match=VARIABLE):
        find_interpreter("")
    monkeypatch.setenv(VARIABLE, str(python))
    assert find_interpreter("") == python
    assert find_interpreter("sh").name == "sh"


@pytest.mark.parametrize("module", [driver, child_process])
def test_the_driver_imports_only_the_standard_library_and_runs_on_older_pythons(module: ModuleType) -> None:
    tree = ast.parse(Path(required(module.__file__)).read_text(), feature_version=(3, 10))
    names = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
