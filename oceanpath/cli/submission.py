"""`oceanpath run --detach` and `--sbatch-only`: a run that needs no terminal, and scripts to submit by hand."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

from oceanpath.cli.options import Common
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.pipeline.executors.slurm.options import parse_options
from oceanpath.pipeline.executors.slurm.scripts import SUBMIT, StageScript, write_scripts
from oceanpath.pipeline.experiment import Experiment
from oceanpath.pipeline.plan import plan
from oceanpath.pipeline.processes import host

MAIN = (sys.executable, "-c", "from oceanpath.cli import main; main()")
BY_HAND = ("--set", 'runtime.executor="auto"')


def detach(common: Common) -> int:
    """Start the run in the background; errors of the experiment file are raised here."""
    experiment = common.load()
    plan(experiment, (), common.to)
    root = common.as_workspace().root
    log = root / "detached" / f"{experiment.name}-{time.strftime('%Y%m%d-%H%M%S')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("xb") as output:
        process = subprocess.Popen(
            [*MAIN, *arguments(common, experiment)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    print(f"process {process.pid} on {host()} runs {experiment.path}")
    print(f"output: {log}")
    print(f"progress: oceanpath ledger show --follow {experiment.name} --workspace {shlex.quote(str(root))}")
    return int(ExitCode.OK)


def write_sbatch(common: Common, folder: Path) -> int:
    """Write one script per stage, to be submitted by hand."""
    if common.force:
        do = "Remove --force; run `oceanpath run --force` for the stage when the jobs have ended."
        raise ExperimentError("--sbatch-only cannot be combined with --force", where="--force", do=do)
    experiment = common.load()
    steps = plan(experiment, (), common.to).steps
    stages = {step.stage.name: step.stage for step in steps}
    own = (*arguments(common, experiment, last=False), *BY_HAND)
    scripts = [
        StageScript(name, (*MAIN, *own, "--to", name), common.jobs if stage.parts else 1)
        for name, stage in stages.items()
    ]
    options = parse_options(experiment.base.value("runtime").slurm)
    for path in write_scripts(folder, scripts, options):
        print(path)
    print(f"submit all: {shlex.quote(str(folder / SUBMIT))}", file=sys.stderr)
    return int(ExitCode.OK)


def arguments(common: Common, experiment: Experiment, *, last: bool = True) -> list[str]:
    """The command line of the same run; without `last`, for one job and without its last stage."""
    words = ["run", str(experiment.path.resolve()), "--workspace", str(common.as_workspace().root)]
    words += [word for text in common.sets for word in ("--set", text)]
    words += [word for name in common.force for word in ("--force", name)]
    flags = {"--keep-going": common.keep_going, "--json": common.as_json, "--quiet": common.quiet}
    words += [name for name, given in flags.items() if given]
    if last:
        words += ["--jobs", str(common.jobs), *(["--to", common.to] if common.to else [])]
    return words
