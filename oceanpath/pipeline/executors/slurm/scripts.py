"""Shell scripts of jobs: those that the executor submits, and those that are submitted by hand."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from oceanpath.pipeline.executors.slurm.options import SlurmOptions

SCRIPT = """#!/bin/bash
{head}{setup}
{command} &
child=$!
trap 'stopped=1; kill -{signal} "$child"' USR1  # sent before the time limit
trap 'kill -TERM "$child"' TERM
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
if [ -n "$stopped" ] && [ "$code" != 0 ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}${{SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"""
SUBMIT = "submit.sh"


@dataclass(frozen=True)
class StageScript:
    """A stage to run by hand."""

    stage: str
    command: tuple[str, ...]
    """Runs the stage and what it needs."""
    tasks: int
    """Number of array tasks, which share the parts of the stage."""


def script(command: str, setup: str, *, signal: str, head: str = "") -> str:
    """A script that runs a command; `signal` is sent to it before the time limit, and the job is queued again."""
    return SCRIPT.format(head=head, setup=setup, command=command, signal=signal)


def warning(options: SlurmOptions) -> dict[str, str]:
    """The option of sbatch for the signal before the time limit."""
    return {"signal": f"B:USR1@{options.signal_seconds}"} if options.signal_seconds else {}


def flags(options: Mapping[str, str]) -> list[str]:
    """Options as arguments of sbatch."""
    return [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]


def write_scripts(folder: Path, stages: Iterable[StageScript], options: SlurmOptions) -> list[Path]:
    """Write one script per stage, and ``submit.sh``, which submits them in their order.

    The tasks of an array run the same command in one workspace: each computes the parts that no other one has started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = list[Path]()
    for number, each in enumerate(stages, 1):
        own = options.of(each.stage)
        array = {"array": f"0-{each.tasks - 1}"} if each.tasks > 1 else {}
        log = {"output": f"{folder.resolve()}/%x-%j.log"}
        fixed = {"job_name": f"oceanpath-{each.stage}", "open_mode": "append", **log, **array, **warning(own)}
        head = "".join(f"#SBATCH {flag}\n" for flag in ["--requeue", *flags({**fixed, **own.resources})])
        path = folder / f"{number:02d}_{each.stage}.sh"
        path.write_text(script(shlex.join(each.command), own.setup, signal="TERM", head=head))
        written.append(path)
    submit = folder / SUBMIT
    submit.write_text(_submit([path.name for path in written]))
    submit.chmod(0o755)
    return [*written, submit]


def _submit(names: list[str]) -> str:
    lines = ["#!/bin/bash", "# Each job starts when the one before has succeeded.", "set -euo pipefail"]
    lines += ['cd "$(dirname "$0")"', "after="]
    for name in names:
        lines += [f"job=$(sbatch --parsable $after --kill-on-invalid-dep=yes {name})", "job=${job%%;*}"]
        lines += [f'echo "{name}: job $job"', 'after="--dependency=afterok:$job"']
    return "\n".join(lines) + "\n"
