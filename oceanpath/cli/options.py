"""Flags with one meaning in every verb, and how a verb is put together from them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from oceanpath.cli.experiments import find_experiment, say
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.experiment import Experiment, load
from oceanpath.pipeline.workspace import Workspace
from oceanpath.stages.catalog import CATALOG

OUTPUTS = Path("outputs")


@dataclass(frozen=True)
class Flag:
    """One flag or argument of a verb."""

    name: str
    kind: Any
    info: Any
    """What typer.Option or typer.Argument returned."""
    key: str = ""
    """The experiment key it spells: ``--model static`` is ``--set model.name=static``."""


def flag(
    name: str, kind: Any, default: Any, help: str, *, opts: tuple[str, ...] = (), key: str = "", **more: Any
) -> Flag:
    """An option with its help; named ``--name`` unless `opts` says otherwise."""
    names = opts or (f"--{name.replace('_', '-')}",)
    return Flag(name, kind, typer.Option(default, *names, help=help, **more), key)


EXPERIMENT = flag(
    "experiment",
    Path | None,
    None,
    "Experiment file; without it ./oceanpath.toml, else the experiment last run in this workspace.",
    opts=("--experiment", "-e"),
)
WORKSPACE = flag("workspace", Path, OUTPUTS, "Folder of all results.", metavar="DIR")
JSON = flag("as_json", bool, False, "Print JSON.", opts=("--json",))
FILE = Flag("file", Path | None, typer.Argument(None, metavar="EXPERIMENT", help="Experiment file."))
QUICKSTART = flag("quickstart", bool, False, "Run the quickstart that ships with OceanPath.")
SETS = flag(
    "sets",
    list[str] | None,
    None,
    "Override a key of the experiment; repeatable.",
    opts=("--set",),
    metavar="KEY=VALUE",
)
COMMON = (
    EXPERIMENT,
    SETS,
    WORKSPACE,
    flag("to", str, "", "Last stage to bring up to date.", metavar="STAGE"),
    flag(
        "force", list[str] | None, None, "Run this stage and all that depend on it again; repeatable.", metavar="STAGE"
    ),
    flag("jobs", int, 1, "Number of processes for steps, folds and slides.", min=1),
    flag(
        "keep_going",
        bool | None,
        None,
        "After a failure, continue with the steps that do not depend on it, and without slides that fail.",
        opts=("--keep-going",),
        key="data.allow_missing",
    ),
    flag("dry_run", bool, False, "Print what would run and why; change nothing."),
    flag("mermaid", bool, False, "With the plan of a dry run, print its graph as Mermaid text."),
    flag("device", str | None, None, "Where to compute: auto, cpu, cuda, cuda:0 or mps.", key="runtime.device"),
    flag("workers", int | None, None, "Processes that read data.", key="runtime.workers"),
    flag("seed", int | None, None, "Seed of splits and training.", key="seed"),
    JSON,
    flag("quiet", bool, False, "Print errors only, and what --dry-run or --json asks for."),
)


@dataclass(frozen=True)
class Common:
    """Values of the common flags."""

    experiment: Path | None = None
    sets: tuple[str, ...] = ()
    workspace: Path = OUTPUTS
    to: str = ""
    force: tuple[str, ...] = ()
    jobs: int = 1
    keep_going: bool = False
    dry_run: bool = False
    mermaid: bool = False
    as_json: bool = False
    quiet: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    """Values of the verb's own flags."""

    def place(self) -> Workspace:
        """The workspace."""
        return Workspace(self.workspace.resolve())

    def load(self) -> Experiment:
        """The experiment of the command, read and checked; which one is printed when none was named.

        Raises: ExperimentError: none is named and none can be found, or its file is wrong.
        """
        path = self.experiment
        if path is None:
            path, reason = find_experiment(self.workspace)
            say(f"experiment: {path} ({reason})", quiet=self.quiet)
        experiment = load(path, CATALOG, self.sets)
        for line in experiment.replaced():
            say(f"warning: {line}", quiet=self.quiet)
        return experiment


def verb(call: Callable[[Common], int], extra: tuple[Flag, ...] = ()) -> Callable[..., int]:
    """A command for typer: it takes `extra` and the common flags, and calls `call` with what they say."""

    def command(**values: Any) -> int:
        spelled = [f"{f.key}={values[f.name]}" for f in (*extra, *COMMON) if f.key and values[f.name] is not None]
        return call(
            Common(
                experiment=named(values),
                sets=(*(values["sets"] or ()), *spelled),
                workspace=values["workspace"],
                to=values["to"],
                force=tuple(values["force"] or ()),
                jobs=values["jobs"],
                keep_going=bool(values["keep_going"]),
                dry_run=values["dry_run"],
                mermaid=values["mermaid"],
                as_json=values["as_json"],
                quiet=values["quiet"],
                more={f.name: values[f.name] for f in extra},
            )
        )

    return signed(command, (*extra, *COMMON))


def signed(command: Callable[..., int], flags: tuple[Flag, ...]) -> Callable[..., int]:
    """Give a function of keyword arguments the signature that typer reads."""
    kind = inspect.Parameter.KEYWORD_ONLY
    command.__annotations__ = {f.name: f.kind for f in flags}
    parameters = [inspect.Parameter(f.name, kind, default=f.info, annotation=f.kind) for f in flags]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # functions accept it, stubs do not
    return command


def named(values: Mapping[str, Any]) -> Path | None:
    """The experiment file that a command line names, as an argument or with ``-e``.

    Raises: ExperimentError: it names two.
    """
    given = {values.get("file"), values["experiment"]} - {None}
    if len(given) > 1:
        raise ExperimentError("two experiment files are named", got=" and ".join(sorted(map(str, given))))
    return given.pop() if given else None
