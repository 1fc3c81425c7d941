"""The Slurm executor with a scheduler of the tests: everything is computed once, whatever happens to tasks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oceanpath.errors import AccidentError, ExperimentError, MissingExtraError
from oceanpath.pipeline.executors.slurm import commands, spool
from oceanpath.pipeline.executors.slurm.commands import Capacity, QueuedTask, SchedulerUnavailableError
from oceanpath.pipeline.executors.slurm.options import parse_options
from oceanpath.pipeline.executors.slurm.spool import Batch
from oceanpath.pipeline.executors.slurm.submissions import Submissions
from oceanpath.pipeline.maintenance import unused
from oceanpath.pipeline.stage import Quiet
from oceanpath.pipeline.status import StepState
from oceanpath.pipeline.work_items import JobResult

from ..conftest import ToyProject

OPTIONS = {"poll_seconds": 0.1, "heartbeat_minutes": 1}


@dataclass
class Scheduler:
    """Runs the tasks of an array when it is next asked for the queue, in this process."""

    limit: int = 1000
    """Largest number of tasks per array."""
    accepts: int = 100_000
    """Number of tasks that may be in the queue."""
    submitted: list[tuple[str, Path, str]] = field(default_factory=list)
    """Job, folder of its batch, and array."""
    waiting: list[QueuedTask] = field(default_factory=list)
    lose: set[int] = field(default_factory=set)
    """Numbers of submissions whose tasks vanish."""
    hold: bool = False
    cancelled: list[str] = field(default_factory=list)
    silent: int = 0
    """How often the queue does not answer."""

    def submit(self, script: Path, array: str, options: dict[str, str]) -> str:
        job = str(len(self.submitted) + 1)
        self.submitted.append((job, script.parent, array))
        last = int(array.partition("%")[0].partition("-")[2])
        assert last < self.limit and script.read_text().startswith("#!/bin/bash")
        assert len(self.waiting) + last < self.accepts
        self.waiting += [QueuedTask(job, task, "PENDING") for task in range(last + 1)]
        return job

    def queued(self, jobs: Sequence[str]) -> list[QueuedTask]:
        if self.silent and jobs:
            self.silent -= 1
            raise SchedulerUnavailableError("the scheduler does not answer")
        listed = [task for task in self.waiting if task.job in jobs]
        if not self.hold:
            self.work()
        return listed

    def work(self) -> None:
        done, self.waiting = self.waiting, []
        for task in done:
            number = int(task.job)
            if number not in self.lose:
                batch = Batch(self.submitted[number - 1][1])
                items = batch.items()
                for item in batch.numbers(task.task):
                    batch.finish(task.task, item, items[item].run(Quiet()))


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    made = Scheduler()
    monkeypatch.setattr(commands, "submit", made.submit)
    monkeypatch.setattr(commands, "queued", lambda jobs: made.queued(sorted(jobs)))
    monkeypatch.setattr(commands, "check", lambda _: None)
    monkeypatch.setattr(commands, "capacity", lambda _: Capacity(made.accepts - len(made.waiting), made.limit))
    monkeypatch.setattr(commands, "cancel", lambda names: made.cancelled.extend(sorted(names)))
    monkeypatch.setattr("oceanpath.pipeline.executors.slurm.executor.LOOK_SECONDS", 0.01)
    return made


def run(toy: ToyProject, letters: str = "abcde", **options: Any) -> dict[str, StepState]:
    return toy.run([f'count.letters="{letters}"'], executor="slurm", executor_options={**OPTIONS, **options})


def test_every_item_is_computed_once_and_nothing_is_left(
    toy: ToyProject, scheduler: Scheduler, calls: Callable[[], list[str]]
) -> None:
    states = run(toy, chunk=2)
    assert {state.state for state in states.values()} == {"ok"}
    assert sorted(calls()) == sorted(["read", *(f"count {letter}" for letter in "abcde"), "count", "report"])
    assert [array for *_, array in scheduler.submitted] == ["0-0", "0-2", "0-0", "0-0"]
    assert {path.name for path in (toy.workspace.root / spool.QUEUE).iterdir()} == {"jobs"}
    assert not list((toy.workspace.root / spool.QUEUE / "jobs").iterdir())
    run(toy)
    assert len(scheduler.submitted) == 4 and not calls()


def test_published_parts_are_not_submitted(toy: ToyProject, scheduler: Scheduler) -> None:
    run(toy, "abc")
    before = len(scheduler.submitted)
    run(toy, "abcd")
    assert [array for *_, array in scheduler.submitted[before:]] == ["0-0", "0-0", "0-0"]  # the part d, count, report


def test_arrays_are_within_the_limit_of_the_cluster(toy: ToyProject, scheduler: Scheduler) -> None:
    scheduler.limit = 2
    states = toy.run(
        ['count.letters="abcde"'], executor="slurm", executor_options={**OPTIONS, "count": {"chunk": 1}}, jobs=2
    )
    assert states["report"].state == "ok"
    assert [array for *_, array in scheduler.submitted][1:4] == ["0-1%2", "0-1%2", "0-0%2"]


@pytest.mark.parametrize("reason", ["launch failed requeued held", "JobHoldMaxRequeue"])
def test_tasks_that_slurm_holds_are_cancelled_and_submitted_again(
    toy: ToyProject, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """A task that the user holds (``JobHeldUser``) waits instead."""
    held = [QueuedTask("2", 0, "PENDING", "JobHeldUser")] * 5 + [QueuedTask("2", 0, "PENDING", reason)]

    def queued(jobs: set[str]) -> list[QueuedTask]:
        if "2" in jobs and held:
            return [held.pop(0)]
        return scheduler.queued(sorted(jobs))

    monkeypatch.setattr(commands, "queued", queued)
    assert run(toy, "abc", chunk=3)["report"].state == "ok"
    assert scheduler.cancelled == ["2_0"] and not held
    assert [array for *_, array in scheduler.submitted] == ["0-0"] * 5  # read, count twice, count, report


def test_tasks_wait_until_the_cluster_accepts_them(
    toy: ToyProject, scheduler: Scheduler, calls: Callable[[], list[str]]
) -> None:
    scheduler.accepts = 2
    assert run(toy, "abcdefg", chunk=1)["report"].state == "ok"
    assert sorted(calls()) == sorted(["read", *(f"count {letter}" for letter in "abcdefg"), "count", "report"])
    assert [array for *_, array in scheduler.submitted][1:5] == ["0-1", "0-1", "0-1", "0-0"]


def test_items_of_a_submission_that_fails_are_submitted_later(
    toy: ToyProject, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, calls: Callable[[], list[str]]
) -> None:
    scheduler.accepts, submit, failures = 2, scheduler.submit, [SchedulerUnavailableError("no answer")]

    def fail_once(script: Path, array: str, options: dict[str, str]) -> str:
        if len(scheduler.submitted) == 3 and failures:
            raise failures.pop()
        return submit(script, array, options)

    monkeypatch.setattr(commands, "submit", fail_once)
    assert run(toy, "abcdefg", chunk=1)["report"].state == "ok"
    assert not failures and sorted(calls()).count("count e") == 1


def test_lost_tasks_are_submitted_again_and_finally_fail(toy: ToyProject, scheduler: Scheduler) -> None:
    scheduler.lose = {2}  # the parts
    states = run(toy, "ab")
    assert states["report"].state == "ok" and len(scheduler.submitted) == 5
    kept = [path for path in unused(toy.workspace) if path.parent.name == spool.QUEUE]
    assert [path.name for path in kept] == [scheduler.submitted[1][1].name]
    scheduler.lose = set(range(1, 100))
    failed = run(toy, "abc", attempts=2)["count"]
    assert failed.error is not None and "its task ended 2 times without a result" in str(failed.error)
    assert ".log" in str(failed.error)


def test_errors_of_the_work_are_those_of_the_part(toy: ToyProject, scheduler: Scheduler, fail: set[str]) -> None:
    fail.add("b")
    states = run(toy)
    assert "fails on request" in str(states["count"].error) and states["report"].state == "skipped"
    fail.clear()
    assert run(toy)["report"].state == "ok"


def test_the_next_run_attaches_to_jobs_of_one_that_ended(
    toy: ToyProject, scheduler: Scheduler, calls: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(toy, "a")
    scheduler.hold, interrupted = True, scheduler.queued

    def interrupt(jobs: Sequence[str]) -> list[QueuedTask]:
        if jobs:
            raise KeyboardInterrupt
        return interrupted(jobs)

    with monkeypatch.context() as patched:
        patched.setattr(commands, "queued", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(toy, "xyz")
    submitted = len(scheduler.submitted)
    assert not scheduler.cancelled and len(scheduler.waiting) == 3
    scheduler.hold = False
    states = run(toy, "xyz")
    assert states["report"].state == "ok"
    assert [array for *_, array in scheduler.submitted[submitted:]] == ["0-0", "0-0"]  # count and report
    assert calls().count("count x") == 1


def test_jobs_are_cancelled_only_on_request(
    toy: ToyProject, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(jobs: Sequence[str]) -> list[QueuedTask]:
        if jobs:
            raise KeyboardInterrupt
        return []

    monkeypatch.setattr(commands, "queued", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(toy, cancel=True)
    assert scheduler.cancelled == ["1"]


def test_a_scheduler_that_does_not_answer_loses_nothing(toy: ToyProject, scheduler: Scheduler) -> None:
    run(toy, "a")
    scheduler.silent = 3
    assert run(toy, "ab")["report"].state == "ok"
    assert len({folder for _, folder, _ in scheduler.submitted}) == len(scheduler.submitted)


@pytest.mark.parametrize("started", [True, False])
def test_a_silent_task_is_cancelled_and_submitted_again(
    toy: ToyProject, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, started: bool
) -> None:
    """Also one whose node cannot start Python."""
    monkeypatch.setattr("oceanpath.pipeline.executors.slurm.submissions.MINUTE", 0.1)
    run(toy, "a")
    asked = scheduler.queued

    def queued(jobs: Sequence[str]) -> list[QueuedTask]:
        frozen = [task for task in scheduler.waiting if task.job == "5"]
        if not frozen:
            return asked(jobs)
        if started:
            events = Batch(scheduler.submitted[4][1]).events(0)
            events.touch()
            os.utime(events, (1.0, 1.0))
        if "5_0" in scheduler.cancelled:
            scheduler.waiting.remove(frozen[0])
        return [QueuedTask("5", 0, "RUNNING")]

    commands.queued = lambda jobs: queued(sorted(jobs))  # restored by the fixture
    assert run(toy, "ab")["report"].state == "ok"
    assert scheduler.cancelled[0] == "5_0"


def test_a_requeued_task_is_not_silent_because_it_waited_for_long(toy: ToyProject, scheduler: Scheduler) -> None:
    """Its events are from before it was requeued."""
    run(toy, "a")
    asked, states = scheduler.queued, ["PENDING", "RUNNING", "RUNNING"]

    def queued(jobs: Sequence[str]) -> list[QueuedTask]:
        if not scheduler.waiting or scheduler.waiting[0].job != "5" or not states:
            return asked(jobs)
        events = Batch(scheduler.submitted[4][1]).events(0)
        events.touch()
        os.utime(events, (1.0, 1.0))
        return [QueuedTask("5", 0, states.pop(0))]

    commands.queued = lambda jobs: queued(sorted(jobs))  # restored by the fixture
    assert run(toy, "ab")["report"].state == "ok"
    assert not scheduler.cancelled and not states


@dataclass
class Request:
    fingerprint: str


@dataclass
class Item:
    """The little of a work item that is used when it is submitted; all share one `job`."""

    request: Request
    job: Any


def test_submitting_listing_and_collecting_has_no_quadratic_step(
    tmp_path: Path, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in bytes: what items share, such as the digests of all slides, is written once."""
    scheduler.limit, options = 10**6, parse_options({"chunk": 5})

    def measure(count: int) -> tuple[float, float]:
        stage = SimpleNamespace(stage=SimpleNamespace(name="count"))
        job = SimpleNamespace(step=stage, digests=[f"{n:032d}" for n in range(count)])
        items: Any = [Item(Request(f"{n:032d}"), job) for n in range(count)]
        submissions = Submissions(tmp_path / str(count), options, 1)
        started = time.process_time()
        submissions.submit(items)
        assert not submissions.lost(scheduler.waiting) and len(submissions) == count
        batch = Batch(scheduler.submitted[-1][1])
        size = (batch.folder / "items.pickle").stat().st_size
        for chunk in range(count // 5):
            for number in batch.numbers(chunk):
                batch.finish(chunk, number, JobResult())
            if chunk % (count // 50) == 0:
                list(submissions.finished())
        list(submissions.finished())
        assert not len(submissions)
        return time.process_time() - started, size

    (few_seconds, few_bytes), (seconds, size) = measure(100), measure(1_000)
    assert size < 12 * few_bytes and seconds < 25 * few_seconds


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Programs of Slurm in a folder on the path, from lines of shell."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def write(name: str, lines: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)

    yield write


def test_answers_of_the_commands(programs: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    programs("sbatch", 'echo "$@" >&2; echo "warning"; echo "123;cluster"')
    lines = ("123 0 RUNNING None", "123 1 PENDING launch failed requeued held", "odd line", "123 N/A PENDING Priority")
    programs("squeue", "\n".join(f"echo '{line}'" for line in lines))
    programs("scontrol", "echo 'MaxArraySize            = 1001'")
    assert commands.submit(Path("/b/script.sh"), "0-3", {"mem_per_cpu": "4G"}) == "123"
    held = QueuedTask("123", 1, "PENDING", "launch failed requeued held")
    assert commands.queued(["123"]) == [QueuedTask("123", 0, "RUNNING", "None"), held]
    programs("sinfo", "echo 'gpu up 12'; echo 'old down 3'; echo 'odd line'")
    assert commands.partitions() == [("gpu", "up", 12), ("old", "down", 3)]
    programs("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert commands.queued(["123"]) == []
    programs("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SchedulerUnavailableError, match="Unable to contact"):
        commands.queued(["123"])
    programs("sbatch", "echo 'invalid partition specified: gpu' >&2; exit 1")
    with pytest.raises(AccidentError, match="invalid partition specified: gpu") as caught:
        commands.check({"partition": "gpu"})
    assert not isinstance(caught.value, SchedulerUnavailableError)
    programs("sbatch", "echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2; exit 1")
    with pytest.raises(SchedulerUnavailableError, match="AssocMaxSubmitJobLimit"):
        commands.submit(Path("/b/script.sh"), "0-3", {})
    programs("squeue", "sleep 5")
    monkeypatch.setattr(commands, "SECONDS", 0.05)
    with pytest.raises(SchedulerUnavailableError, match="does not answer"):
        commands.queued(["123"])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingExtraError, match="login node"):
        commands.check({})


def test_limits_are_read_and_tasks_of_others_count(programs: Callable[[str, str], None]) -> None:
    programs("scontrol", "echo 'MaxArraySize            = 1001'")
    commands._submit_limit.cache_clear()
    programs("squeue", 'case "$*" in *all*) seq 1000;; *user*) seq 30;; *) exit 1;; esac')
    programs("sacctmgr", "echo 'not running a supported accounting_storage plugin' >&2; exit 1")
    assert commands.capacity({}) == (8000, 1000)  # 90 % of the default of 10,000 jobs, of which 1,000 exist
    programs("scontrol", "echo 'MaxArraySize            = 100001'; echo 'MaxJobCount             = 1100'")
    assert commands.capacity({}) == (0, 100_000)
    programs("scontrol", "echo 'MaxArraySize            = 1001'")
    accounts = 'echo "lab|normal|500|"; echo "teaching|normal|40|"; echo "closed|normal|0|30"'
    qos = "*name=normal*) echo '200||';; *name=long*) echo '|100|';; *) echo '||';;"
    programs("sacctmgr", f'case "$*" in *assoc*) {accounts};; *user*) echo lab;; {qos} esac')
    by_account: list[tuple[dict[str, str], int]] = [
        ({}, 200),
        ({"account": "teaching"}, 40),
        ({"account": "closed"}, 30),
    ]
    for options, limit in [*by_account, ({"qos": "long"}, 100)]:
        commands._submit_limit.cache_clear()
        everything = {"MaxArraySize": 1001, "MaxJobCount": 10_000, "MaxSubmitJobs": limit}
        assert commands.limits(options) == everything
        assert commands.capacity(options) == (limit - 30, 1000)
    commands._submit_limit.cache_clear()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"partion": "gpu"}, "unknown key 'partion'. Did you mean 'partition'"),
        ({"train": {"gress": "gpu:1"}}, r"\[runtime.slurm.train\]: unknown key 'gress'"),
        ({"chunk": 0}, "chunk: expected 1 or more; got 0"),
        ({"chunk": True}, "expected a whole number"),
        ({"time": 1.5}, "expected text or a whole number"),
        ({"cancel": 1}, "expected true or false"),
        ({"partion": "x", "chunk": 0}, "2 problems"),
    ],
)
def test_wrong_options_are_named(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        parse_options(table)


def test_a_stage_has_the_common_options_and_its_own() -> None:
    options = parse_options({"partition": "cpu", "chunk": 4, "train": {"partition": "gpu", "gres": "gpu:1"}})
    assert options.of("train").resources == {"partition": "gpu", "gres": "gpu:1"} and options.of("train").chunk == 4
    assert options.of("eval").resources == {"partition": "cpu"} and options.of("eval") is options


def test_a_task_on_a_node_stops_before_its_time_limit_and_computes_the_rest_later(tmp_path: Path) -> None:
    """The real program: it announces what it has, and ends with the code for which the script requeues it."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from oceanpath.pipeline.executors.slurm import spool, task\n"
        "from oceanpath.pipeline.work_items import JobResult\n"
        "class Item:\n"
        "    def __init__(self, number): self.number = number\n"
        "spool.Batch.items = lambda self: [Item(number) for number in range(3)]\n"
        "def compute(item):\n"
        "    number = item.number\n"
        "    if number == 1 and len(sys.argv) > 2: os.kill(os.getpid(), getattr(signal, sys.argv[2]))\n"
        "    return JobResult(seconds=float(number))\n"
        "task._compute = compute\n"
        "sys.exit(task.main(sys.argv[1], 0))\n"
    )
    for name in ("results", "events"):
        (tmp_path / name).mkdir()
    (tmp_path / "chunks.json").write_text("[[0, 1, 2]]")
    batch = Batch(tmp_path)

    def run_task(*signals: str) -> int:
        return subprocess.run([sys.executable, "-c", code, str(tmp_path), *signals], timeout=60).returncode

    assert run_task("SIGTERM") == 143 and run_task("SIGUSR1") == 85
    assert batch.events(0).read_text().split() == ["0"]
    assert run_task() == 0
    assert batch.events(0).read_text().split() == ["0", "1", "2"]
    assert [batch.result(number).seconds for number in range(3)] == [0.0, 1.0, 2.0]
