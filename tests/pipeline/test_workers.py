"""Several processes give what one gives; a worker that dies is told; two runs on one workspace share the work."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oceanpath.pipeline import stock, workers
from oceanpath.pipeline.workspace import Workspace, read_manifest

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("OCEANPATH_ROUNDS", "6"))
RUN = """
import sys, time
from pathlib import Path
from tests.pipeline import conftest
from oceanpath.pipeline import ledger, plan, publish, runner
if __name__ == "__main__":
    time.sleep(float(sys.argv[2]))
    house = conftest.House(Path(sys.argv[1]))
    house.workspace.open()
    with ledger.Ledger(house.workspace.ledger) as book:
        made = house.plan()
        states = runner.Runner(made, house.workspace, book, "test", conftest.Still(), jobs=int(sys.argv[3])).go()
    print(*conftest.CALLS, sep="\\n")
    sys.exit(any(state.error for state in states))
"""


def start(folder: Path, delay: float, jobs: int, script: Path | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = script or folder.parent / "run.py"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(folder), str(delay), str(jobs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "words.txt").write_text("abba\n")
    (folder / "toy.toml").write_text('name = "toy"\n[data]\nwords = "words.txt"\n[read]\n[count]\n[report]\n')
    return folder


def outputs(folder: Path) -> dict[str, str]:
    found = {link.name: read_manifest(link.resolve()) for link in stock.links(Workspace(folder / "out"))}
    return {name: manifest.digest for name, manifest in found.items() if manifest}


def test_several_jobs_give_what_one_gives(tmp_path: Path) -> None:
    for name, jobs in (("one", 1), ("two", 2)):
        process = start(project(tmp_path / name), 0.0, jobs)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two")
    assert set(outputs(tmp_path / "one")) == {"read", "count", "report"}


def test_two_runs_on_one_workspace_make_everything_once(tmp_path: Path) -> None:
    moments = random.Random(1)
    for number in range(ROUNDS):
        folder = project(tmp_path / str(number))
        pair = [start(folder, moments.uniform(0, 0.08), 1, tmp_path / f"{number}-{i}.py") for i in range(2)]
        said = [process.communicate(timeout=60) for process in pair]
        assert [process.returncode for process in pair] == [0, 0], said
        made = sorted(line for out, _ in said for line in out.split("\n") if line)
        assert made == ["count", "count a", "count b", "read", "report"]
        assert not stock.verify(Workspace(folder / "out"), deep=True)
    print(f"{ROUNDS} pairs of runs on one workspace: everything was made once")


def test_a_worker_that_dies_is_told_and_does_not_hang(house, monkeypatch: pytest.MonkeyPatch) -> None:
    house.go()

    class Dying:
        def __reduce__(self) -> tuple[object, ...]:
            return os._exit, (9,)

    beside = workers.Beside(1)
    try:
        started = time.monotonic()
        ((_, made),) = beside.each([Dying()], None)  # type: ignore[list-item]  # unpickling it ends the worker
        assert "its process was killed" in str(made.error)
        assert time.monotonic() - started < 60
    finally:
        beside.close()


@pytest.mark.parametrize(("said", "expected"), [("0,2", ["0", "2"]), ("", []), ("GPU-a", ["GPU-a"])])
def test_visible_gpus_are_those_the_user_left_visible(said, expected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert workers.gpus() == expected


def test_threads_asked_for_are_never_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert workers.cores() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert workers.cores() == len(os.sched_getaffinity(0))
