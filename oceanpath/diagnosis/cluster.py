"""A Slurm cluster: its partitions and limits, and whether a node shares the workspace, its locks and its clock."""

from __future__ import annotations

import fcntl
import json
import shlex
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from oceanpath import __version__
from oceanpath.diagnosis.finding import Finding, State
from oceanpath.diagnosis.node import ANSWER, LOCKS, NAME, POSIX_LOCK, clock_offset
from oceanpath.errors import AccidentError, OceanPathError
from oceanpath.pipeline.executors.slurm import commands
from oceanpath.pipeline.executors.slurm.options import SlurmOptions
from oceanpath.pipeline.executors.slurm.scripts import script
from oceanpath.pipeline.locks import held, try_lock

GROUP = "cluster"
WAIT_SECONDS = 60.0
"""Maximum time to wait for a node."""
POLL_SECONDS = 1.0
SKEW_SECONDS = 30.0
"""A larger difference of clocks is reported."""


def check_cluster(root: Path, options: SlurmOptions) -> list[Finding]:
    """The scheduler, the resources of each stage, and the answer of one node; nothing remains in the workspace."""
    try:
        partitions, limits = commands.partitions(), commands.limits(options.resources)
    except OceanPathError as error:
        return [Finding(GROUP, "scheduler", State.MISSING, error.facts(), error.do)]
    up = ", ".join(f"{name} ({nodes} nodes)" for name, state, nodes in partitions if state == "up")
    findings = [Finding(GROUP, "partitions", State.OK if up else State.MISSING, up or "none is up")]
    most = f"arrays of {limits['MaxArraySize'] - 1:,} tasks, {limits['MaxJobCount']:,} jobs on the cluster"
    most += f", {limits['MaxSubmitJobs']:,} of this user" if "MaxSubmitJobs" in limits else ""
    findings.append(Finding(GROUP, "limits", State.OK, most))
    tables = {"[runtime.slurm]": options, **{f"[runtime.slurm.{k}]": each for k, each in options.stages.items()}}
    findings += [_resources(where, each) for where, each in tables.items()]
    if any(each.state is State.MISSING for each in findings):
        return findings
    folder = next(path for path in (root, *root.resolve().parents) if path.is_dir())
    with tempfile.TemporaryDirectory(dir=folder, prefix=".oceanpath_doctor_", ignore_cleanup_errors=True) as name:
        return [*findings, *_ask_node(Path(name), options)]


def _resources(where: str, options: SlurmOptions) -> Finding:
    try:
        commands.check(options.resources)
    except OceanPathError as error:
        return Finding(GROUP, "resources", State.MISSING, f"{where}: {error.facts()}", "Correct this table.")
    named = " ".join(f"{key}={value}" for key, value in options.resources.items()) or "the defaults of the cluster"
    return Finding(GROUP, "resources", State.OK, f"{where}: {named}")


def _ask_node(folder: Path, options: SlurmOptions) -> list[Finding]:
    """Run a job that writes into the workspace while this process holds locks there."""
    (folder / "logs").mkdir()
    command = shlex.join([sys.executable, "-m", "oceanpath.diagnosis.node", str(folder.resolve())])
    (folder / "script.sh").write_text(script(command, options.setup, signal="TERM"))
    with ExitStack() as stack:
        fcntl.lockf(stack.enter_context((folder / POSIX_LOCK).open("w+b")), fcntl.LOCK_EX)
        if (lock := try_lock(folder / LOCKS, NAME)) is not None:
            stack.enter_context(held(lock))
        try:
            job = commands.submit(folder / "script.sh", "0-0", options.resources)
            answer = _wait(folder, job)
        except AccidentError as error:
            return [Finding(GROUP, "node", State.MISSING, error.facts(), error.do)]
    return [answer] if isinstance(answer, Finding) else _judge(folder, answer)


def _wait(folder: Path, job: str) -> dict[str, Any] | Finding:
    """The answer of the node, or why there is none."""
    deadline, gone = time.monotonic() + WAIT_SECONDS, 0
    while time.monotonic() < deadline and gone < 3:  # a network file system may show the answer a little later
        if (folder / ANSWER).exists():
            answer: dict[str, Any] = json.loads((folder / ANSWER).read_text())
            return answer
        gone = 0 if commands.queued([job]) else gone + 1
        time.sleep(POLL_SECONDS)
    if gone:
        log = folder / "logs" / "0.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        text = f"a job ended without writing into the workspace: {lines[-1] if lines else 'no output'}"
        do = "All nodes must share the file systems of the workspace and the installation: docs/how-to/slurm.md."
        return Finding(GROUP, "shared folder", State.MISSING, text, do)
    commands.cancel([job])
    text = f"no node started a job within {WAIT_SECONDS:.0f} s, so shared folder, locks and clock were not checked"
    return Finding(GROUP, "node", State.ABSENT, text, "Try again when the queue is shorter.")


def _judge(folder: Path, answer: dict[str, Any]) -> list[Finding]:
    skew = answer["clock"] - clock_offset(folder / "clock_here")
    findings = [Finding(GROUP, "shared folder", State.OK, f"{answer['host']} writes into the workspace")]
    if answer["version"] != __version__:
        text = f"OceanPath {answer['version']} on {answer['host']}, {__version__} here"
        findings.append(Finding(GROUP, "installation", State.MISSING, text, "Activate the same one in setup."))
    locks = (
        ("locks", "lock", State.MISSING, "Use another file system for the workspace."),
        ("POSIX locks", "posix_lock", State.ABSENT, "Start one run at a time: the ledger relies on them."),
    )
    for subject, key, state, do in locks:
        text = (
            "respected across machines" if answer[key] else f"{answer['host']} does not respect a lock of this machine"
        )
        findings.append(Finding(GROUP, subject, State.OK if answer[key] else state, text, do))
    ok = abs(skew) <= SKEW_SECONDS
    text = f"{answer['host']} is {abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}"
    do = "Times in logs and in the ledger will not match."
    return [*findings, Finding(GROUP, "clock", State.OK if ok else State.ABSENT, text, do)]
