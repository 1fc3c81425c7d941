"""Checks of a Slurm cluster, with commands of the tests: a job is a process of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from oceanpath import __version__
from oceanpath.diagnosis import cluster
from oceanpath.diagnosis.cluster import check_cluster
from oceanpath.diagnosis.finding import Finding, State
from oceanpath.errors import AccidentError, MissingExtraError
from oceanpath.pipeline.executors.slurm import commands
from oceanpath.pipeline.executors.slurm.options import parse_options

OPTIONS = parse_options({"partition": "cpu", "train": {"gres": "gpu:1"}})


@pytest.fixture(autouse=True)
def scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "partitions", lambda: [("cpu", "up", 4), ("old", "down", 2)])
    monkeypatch.setattr(commands, "limits", lambda _: {"MaxArraySize": 1001, "MaxJobCount": 10_000})
    monkeypatch.setattr(commands, "check", lambda _: None)
    monkeypatch.setattr(commands, "queued", lambda _: [])
    monkeypatch.setattr(commands, "cancel", lambda _: None)
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.01)


def run_job(script: Path, array: str, options: dict[str, str]) -> str:
    variables = {**os.environ, "SLURM_ARRAY_TASK_ID": "0"}
    with (script.parent / "logs" / "0.log").open("w") as log:
        subprocess.run(["bash", str(script)], env=variables, stdout=log, stderr=log)
    return "7"


def by_subject(findings: list[Finding]) -> dict[str, Finding]:
    assert {each.group for each in findings} == {"cluster"}
    return {each.subject: each for each in findings}


def test_a_node_answers_and_nothing_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "submit", run_job)
    findings = check_cluster(tmp_path / "outputs", OPTIONS)
    assert {each.state for each in findings} == {State.OK}
    found = by_subject(findings)
    assert found["partitions"].text == "cpu (4 nodes)" and "1,000 tasks" in found["limits"].text
    assert {"shared folder", "locks", "POSIX locks", "clock"} <= found.keys()
    assert "[runtime.slurm.train]: partition=cpu gres=gpu:1" in [each.text for each in findings]
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_cannot_write_is_reported_with_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "submit", run_job)
    options = parse_options({"setup": "echo 'module: not known'; exit 1"})
    found = by_subject(check_cluster(tmp_path, options))["shared folder"]
    assert found.state is State.MISSING and "module: not known" in found.text


def test_a_full_queue_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[str] = []
    monkeypatch.setattr(commands, "submit", lambda *_: "7")
    monkeypatch.setattr(commands, "cancel", cancelled.extend)
    monkeypatch.setattr(cluster, "WAIT_SECONDS", 0.0)
    assert by_subject(check_cluster(tmp_path, OPTIONS))["node"].state is State.ABSENT and cancelled == ["7"]


@pytest.mark.parametrize(
    ("key", "value", "subject", "state"),
    [
        ("clock", -3600.0, "clock", State.ABSENT),
        ("lock", False, "locks", State.MISSING),
        ("posix_lock", False, "POSIX locks", State.ABSENT),
        ("version", "0.0.1", "installation", State.MISSING),
    ],
)
def test_differences_of_a_node_are_reported(
    tmp_path: Path, key: str, value: object, subject: str, state: State
) -> None:
    same = {"host": "n1", "version": __version__, "clock": 0.0, "lock": True, "posix_lock": True}
    assert all(each.state is State.OK for each in cluster._judge(tmp_path, same))
    assert by_subject(cluster._judge(tmp_path, {**same, key: value}))[subject].state is state


def test_refused_resources_and_an_absent_scheduler_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(options: dict[str, str]) -> None:
        if "gres" in options:
            raise AccidentError("the scheduler rejects the command", got="Invalid generic resource")

    monkeypatch.setattr(commands, "check", refuse)
    missing = [each for each in check_cluster(tmp_path, OPTIONS) if each.state is State.MISSING]
    assert [each.subject for each in missing] == ["resources"] and "Invalid generic resource" in missing[0].text

    def absent() -> None:
        raise MissingExtraError("Slurm is not installed here", do="Run this on a login node.")

    monkeypatch.setattr(commands, "partitions", absent)
    (only,) = check_cluster(tmp_path, OPTIONS)
    assert (only.subject, only.state, only.do) == ("scheduler", State.MISSING, "Run this on a login node.")
