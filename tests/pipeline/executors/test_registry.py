"""An executor is one file and one line; whichever runs an experiment, the published bytes are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oceanpath.errors import ExperimentError
from oceanpath.pipeline import maintenance
from oceanpath.pipeline.executors import registry
from oceanpath.pipeline.executors.inline import InlineExecutor
from oceanpath.pipeline.executors.local import LocalExecutor
from oceanpath.pipeline.executors.registry import check_executor, create_executor, register_executor
from oceanpath.pipeline.stage import Quiet
from oceanpath.pipeline.workspace import Workspace, read_manifest

from ...conftest import MAIN, Cohort
from ..conftest import ToyProject

TRAINING = "[train]\nepochs = 1\n[model]\nhidden = 4\nattention = 4\n[eval]\nresamples = 100\n"
SPOOL = '''
"""Writes each work item to a file, and runs it in a program that reads the file: as a cluster's queue would."""

import pickle
import subprocess
import sys
from pathlib import Path

from oceanpath.pipeline.executors.registry import register_executor
from oceanpath.pipeline.stage import Quiet

register_executor("spool", "spool_executor:SpoolExecutor")


class SpoolExecutor:
    def __init__(self, jobs):
        pass

    def run(self, items, progress):
        for number, item in enumerate(items):
            file = item.workspace.root / f"item-{number}.pickle"
            file.write_bytes(pickle.dumps(item))
            subprocess.run([sys.executable, "-m", "spool_executor", str(file)], check=True)
            yield item, pickle.loads(file.read_bytes())
            print("spooled", item.job.step.name, item.part.key if item.part else "", file=sys.stderr)
            file.unlink()

    def close(self):
        pass


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_bytes(pickle.dumps(pickle.loads(file.read_bytes()).run(Quiet())))
'''


def install(folder: Path, module: str, code: str) -> None:
    """A package with one entry point in the group of the executors."""
    (folder / f"{module}.py").write_text(code)
    info = folder / "spool-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spool\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\nspool = {module}\n")


def oceanpath(cohort: Cohort, executor: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", MAIN, "run", str(cohort.folder / "small.toml"), *more]
    command += ["--workspace", str(cohort.folder / executor / "out"), "--set", f"runtime.executor={executor}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(cohort.folder / "site")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def files(workspace: Path) -> dict[str, tuple[str, object]]:
    """Step → its fingerprint, and the size and digest of every published file."""
    manifests = {link.name: read_manifest(link.resolve()) for link in maintenance.links(Workspace(workspace))}
    return {step: (manifest.fingerprint, manifest.files) for step, manifest in manifests.items() if manifest}


@pytest.mark.slow
def test_an_executor_of_a_package_runs_an_experiment_with_the_same_published_bytes(cohort: Cohort) -> None:
    (cohort.folder / "small.toml").write_text(cohort.toml + TRAINING)
    (cohort.folder / "site").mkdir()
    install(cohort.folder / "site", "spool_executor", SPOOL)
    inline, spool = oceanpath(cohort, "inline"), oceanpath(cohort, "spool")
    assert inline.returncode == 0, inline.stderr
    assert spool.returncode == 0, spool.stderr
    spooled = [line.split()[1:] for line in spool.stderr.splitlines() if line.startswith("spooled")]
    assert [name for name, *_ in spooled] == ["mmap", "split", "train", "train", "train", "eval"]
    published = files(cohort.folder / "inline" / "out")
    assert set(published) == {"mmap", "split", "train", "eval"}
    assert files(cohort.folder / "spool" / "out") == published


def test_an_executor_is_chosen_by_name_and_by_the_number_of_jobs() -> None:
    for name, jobs, kind in (("auto", 1, InlineExecutor), ("inline", 1, InlineExecutor), ("local", 1, LocalExecutor)):
        executor = create_executor(name, jobs)
        executor.close()
        assert type(executor) is kind
    executor = create_executor("auto", 2)
    executor.close()
    assert type(executor) is LocalExecutor


@pytest.mark.parametrize(("name", "jobs"), [("auto", 1), ("local", 1), ("inline", 1), ("local", 4), ("auto", 4)])
def test_what_fits_is_accepted(name: str, jobs: int) -> None:
    check_executor(name, jobs)


def test_an_unknown_executor_is_named_with_the_nearest_one() -> None:
    expected = r"unknown executor; expected auto, inline, local, slurm, got locl. Did you mean 'local'"
    with pytest.raises(ExperimentError, match=expected):
        check_executor("locl")


def test_inline_and_several_jobs_are_a_contradiction() -> None:
    expected = "--jobs: the executor inline runs one work item at a time; expected 1, got 4"
    with pytest.raises(ExperimentError, match=expected):
        check_executor("inline", 4)


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'local' is registered already"):
        register_executor("local", "somewhere:Else")


def test_the_runner_uses_the_executor_that_is_named(toy: ToyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(InlineExecutor):
        items = 0

        def run(self, items, progress):
            for item in items:
                Counting.items += 1
                yield item, item.run(progress)

    monkeypatch.setitem(registry._EXECUTORS, "counting", f"{__name__}:Counting")
    monkeypatch.setitem(globals(), "Counting", Counting)
    assert toy.run(executor="counting")["report"].state == "ok"
    assert Counting.items == 5
    assert list(Counting(1).run([], Quiet())) == []


def test_it_is_checked_before_any_work(toy: ToyProject, calls) -> None:
    for executor, jobs in (("nothing", 1), ("inline", 2)):
        with pytest.raises(ExperimentError):
            toy.run(executor=executor, jobs=jobs)
    assert calls() == []


def test_a_wrong_executor_in_a_file_is_refused_when_the_file_is_read(cohort: Cohort) -> None:
    (cohort.folder / "small.toml").write_text(cohort.toml)
    refused = oceanpath(cohort, "slrm", "--dry-run")
    assert refused.returncode == 2
    assert "[runtime] executor: unknown executor; expected auto, inline, local, slurm, got slrm" in refused.stderr
    assert not (cohort.folder / "slrm").exists()
