"""The five commands of Slurm that are used, each with a time limit."""

from __future__ import annotations

import getpass
import math
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from oceanpath.errors import AccidentError, MissingExtraError
from oceanpath.pipeline.executors.slurm.scripts import flags

SECONDS = 60.0
"""Time limit of one command: a client waits without end for a controller that does not answer."""
LIMIT = re.compile(r"^(MaxArraySize|MaxJobCount)\s*=\s*(\d+)", re.MULTILINE)
DEFAULT_LIMITS = {"MaxArraySize": 1001, "MaxJobCount": 10_000}
SHARE = 0.9
"""Largest fraction of `MaxJobCount` that is used: other users submit at the same time."""
HELD = ("launch failed requeued held", "JobHoldMaxRequeue")
UNREACHABLE = re.compile(
    r"unable to contact|timed out|connection refused|zero bytes|try again|SubmitJob|temporarily unable", re.IGNORECASE
)
"""Messages of errors that pass: of the connection, and of a limit of submitted jobs."""


@dataclass(frozen=True)
class QueuedTask:
    """One line of squeue."""

    job: str
    """Id of the job array."""
    task: int
    """Index in the array."""
    state: str
    """``PENDING``, ``RUNNING``, ``COMPLETING``..."""
    reason: str = ""
    """Why a task is waiting, such as ``Priority``."""

    @property
    def is_held_by_slurm(self) -> bool:
        """Whether Slurm will not start a task again that failed to start, or that was requeued too often."""
        return self.state == "PENDING" and self.reason in HELD


class SchedulerUnavailableError(AccidentError):
    """The scheduler does not answer; jobs may still run."""


def submit(script: Path, array: str, options: Mapping[str, str]) -> str:
    """Submit a job array, such as ``0-99%10``; returns its id. Logs are written to ``logs/`` next to the script.

    Raises: SchedulerUnavailableError, AccidentError: the scheduler rejects the job.
    """
    fixed = ["--parsable", "--requeue", "--open-mode=append", f"--output={script.parent}/logs/%a.log"]
    answer = _call(["sbatch", *fixed, f"--array={array}", *flags(options), str(script)])
    return answer.strip().splitlines()[-1].partition(";")[0]


def check(options: Mapping[str, str]) -> None:
    """Let the scheduler check resources without submitting anything.

    Raises: AccidentError: it rejects them. MissingExtraError: there is no Slurm here.
    """
    _call(["sbatch", "--test-only", *flags(options), "--wrap", "true"])


def queued(jobs: Iterable[str]) -> list[QueuedTask]:
    """The tasks of some job arrays that are waiting or running. Raises: SchedulerUnavailableError."""
    listed = sorted(jobs)
    if not listed:
        return []
    command = ["squeue", "--noheader", "--array", "--format=%F %K %T %r", f"--jobs={','.join(listed)}"]
    try:
        answer = _call(command)
    except SchedulerUnavailableError:
        raise
    except AccidentError as error:
        if "Invalid job id" in error.got:  # none of them is known any more
            return []
        raise SchedulerUnavailableError(error.what, got=error.got) from error
    rows = [line.split(maxsplit=3) for line in answer.splitlines()]
    return [QueuedTask(row[0], int(row[1]), *row[2:]) for row in rows if len(row) > 2 and row[1].isdecimal()]


def cancel(jobs: Iterable[str]) -> None:
    """Cancel job arrays, or tasks as ``<job>_<task>``. Raises: SchedulerUnavailableError."""
    if names := sorted(jobs):
        _call(["scancel", "--quiet", *names], accepts=(0, 1))  # 1: some have ended meanwhile


def limits(options: Mapping[str, str]) -> dict[str, int]:
    """``MaxArraySize`` and ``MaxJobCount`` of the cluster, and ``MaxSubmitJobs`` if it is set for this user.

    Raises: SchedulerUnavailableError.
    """
    found = {name: int(value) for name, value in LIMIT.findall(_call(["scontrol", "show", "config"]))}
    own = _submit_limit(options.get("account", ""), options.get("qos", ""))
    return {**DEFAULT_LIMITS, **found, **({"MaxSubmitJobs": int(own)} if math.isfinite(own) else {})}


@cache
def _submit_limit(account: str, qos: str) -> float:
    """Number of tasks that this user may have submitted, by association and quality of service; else infinite."""
    user, columns = getpass.getuser(), "format=Account,DefaultQOS,MaxSubmitJobs,GrpSubmitJobs"
    try:
        of_user = [account] if account else [row[0] for row in _table("show", "user", user, "format=DefaultAccount")]
        rows = [row for row in _table("show", "associations", f"user={user}", columns) if row[0] in of_user]
        name = qos or ",".join({row[1] for row in rows if row[1]})
        of_qos = _table("show", "qos", f"name={name}", "format=MaxSubmitPU,MaxSubmitPA,GrpSubmit") if name else []
    except (MissingExtraError, AccidentError):  # no accounting: there are no such limits
        return math.inf
    return min([*(_least(row[2:]) for row in rows), *(_least(row) for row in of_qos)], default=math.inf)


def _table(*words: str) -> list[list[str]]:
    """The rows of an answer of sacctmgr."""
    answer = _call(["sacctmgr", "--noheader", "--parsable2", "--readonly", *words])
    return [line.split("|") for line in answer.splitlines()]


def _least(cells: Iterable[str]) -> float:
    return min((int(cell) for cell in cells if cell.isdecimal() and int(cell)), default=math.inf)


class Capacity(NamedTuple):
    """Number of tasks that may be submitted now, and in one job array."""

    free: int
    per_array: int


def capacity(options: Mapping[str, str]) -> Capacity:
    """What the cluster accepts now; a task that ended counts as long as Slurm lists it.

    Raises: SchedulerUnavailableError.
    """
    found, listed = limits(options), ["squeue", "--noheader", "--array", "--format=%i"]
    free = int(SHARE * found["MaxJobCount"]) - len(_call([*listed, "--states=all"]).splitlines())
    if "MaxSubmitJobs" in found:
        free = min(free, found["MaxSubmitJobs"] - len(_call([*listed, f"--user={getpass.getuser()}"]).splitlines()))
    return Capacity(max(0, free), max(1, found["MaxArraySize"] - 1))  # the largest index is one less


def partitions() -> list[tuple[str, str, int]]:
    """Name, state (``up``) and number of nodes of each partition.

    Raises: SchedulerUnavailableError. MissingExtraError: there is no Slurm here.
    """
    rows = [line.split() for line in _call(["sinfo", "--noheader", "--summarize", "--format=%R %a %D"]).splitlines()]
    return [(row[0], row[1], int(row[2])) for row in rows if len(row) == 3 and row[2].isdecimal()]


def _call(command: Sequence[str], accepts: tuple[int, ...] = (0,)) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except FileNotFoundError as error:
        do = "Run this on a login node of the cluster, or use runtime.executor = 'local'."
        raise MissingExtraError("Slurm is not installed here", where=command[0], do=do) from error
    except subprocess.TimeoutExpired as error:
        raise SchedulerUnavailableError("the scheduler does not answer", where=command[0]) from error
    if done.returncode in accepts:
        return done.stdout
    got = " ".join(done.stderr.split())
    kind = SchedulerUnavailableError if UNREACHABLE.search(got) else AccidentError
    raise kind("the scheduler rejects the command", where=command[0], got=got)
