"""Runs without a terminal: in the background, and as scripts for Slurm that are submitted by hand."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from oceanpath.cli.app import run_app
from oceanpath.cli.ledger import follow
from oceanpath.pipeline.ledger import Ledger

from ..conftest import Cohort

SLURM = '[runtime.slurm]\ntime = "02:00:00"\nsetup = "export A=\'b\'"\n[runtime.slurm.train]\ngres = "gpu:1"\n'


def write(cohort: Cohort, more: str = "") -> str:
    file = cohort.folder / "mine.toml"
    file.write_text(cohort.toml + more)
    return str(file)


def test_one_script_per_stage_is_submitted_in_order(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    folder, file = cohort.folder / "jobs here", write(cohort, f"[train]\n{SLURM}")
    command = ["run", file, "--sbatch-only", str(folder), "--jobs", "3", "--set", "train.lr=1e-3"]
    assert run_app([*command, "--workspace", str(cohort.folder / "my out")]) == 0
    names = ["01_mmap.sh", "02_split.sh", "03_train.sh", "submit.sh"]
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == names
    scripts = {name: (folder / name).read_text() for name in names}
    assert "--array" not in scripts["01_mmap.sh"] and "--gres" not in scripts["01_mmap.sh"]
    for expected in ("#SBATCH --array=0-2", "#SBATCH --gres=gpu:1", "#SBATCH --time=02:00:00", "export A='b'"):
        assert expected in scripts["03_train.sh"].splitlines()
    assert "--to train" in scripts["03_train.sh"] and "train.lr=1e-3" in scripts["03_train.sh"]
    for path in folder.iterdir():
        assert subprocess.run(["bash", "-n", str(path)]).returncode == 0
    (tools := cohort.folder / "bin").mkdir()
    (tools / "sbatch").write_text('#!/bin/sh\necho "$@" >> "$CALLS"\necho "7;cluster"\n')
    (tools / "sbatch").chmod(0o755)
    variables = {"PATH": f"{tools}:{os.environ['PATH']}", "CALLS": str(cohort.folder / "calls")}
    assert subprocess.run([str(folder / "submit.sh")], env=variables, capture_output=True).returncode == 0
    fixed = "--kill-on-invalid-dep=yes"
    after = f"--parsable --dependency=afterok:7 {fixed}"
    calls = [f"--parsable {fixed} 01_mmap.sh", f"{after} 02_split.sh", f"{after} 03_train.sh"]
    assert (cohort.folder / "calls").read_text().splitlines() == calls


def test_scripts_are_not_written_for_forced_stages(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", write(cohort), "--sbatch-only", str(cohort.folder / "jobs"), "--force", "split"]
    assert run_app(command) == 2
    assert "cannot be combined with --force" in capsys.readouterr().err and not (cohort.folder / "jobs").exists()


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # this is what it is for
def test_a_detached_run_is_followed_until_it_ends(
    cohort: Cohort, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "INTERVAL_SECONDS", 0.02)
    on = ("--workspace", str(cohort.folder / "out"))
    assert run_app(["run", write(cohort), "--to", "mmap", *on, "--detach"]) == 0
    started = capsys.readouterr().out
    assert "ledger show --follow mine --workspace" in started
    process = int(started.split()[1])
    while not (cohort.folder / "out" / "ledger.sqlite").exists():  # this test starts it, and knows that it will run
        os.kill(process, 0)
    assert run_app(["ledger", "show", "mine", "--follow", *on]) == 0
    printed = capsys.readouterr().out
    assert "mmap: ok" in printed and "run 1  mine  ok" in printed
    os.waitpid(process, 0)
    (log,) = (cohort.folder / "out" / "detached").iterdir()
    assert "mmap" in log.read_text()


def test_an_error_in_the_file_is_reported_before_a_run_is_detached(
    cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["run", write(cohort, "[trian]\n"), "--workspace", str(cohort.folder / "out"), "--detach"]) == 2
    assert "trian" in capsys.readouterr().err and not (cohort.folder / "out").exists()


def test_a_run_whose_process_has_ended_is_not_followed_forever(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        run = ledger.start_run("mine", "mine.toml", "run mine.toml")
        step = ledger.add_step(run, "extract", {}, position=0, stage="extract")
        ledger.add_part(step, "a", "f" * 32, "ok", 1.0)
    assert run_app(["ledger", "show", "--follow", "--workspace", str(tmp_path)]) == 3
    output = capsys.readouterr()
    assert "extract: running, 1 parts ok" in output.out and "ended without recording it" in output.err
