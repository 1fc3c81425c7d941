"""Options that all commands share, and the construction of commands from them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from oceanpath.cli.invocation import OUTPUTS as OUTPUTS
from oceanpath.cli.invocation import Common as Common
from oceanpath.errors import ExperimentError


@dataclass(frozen=True)
class Flag:
    """One option or argument of a command."""

    name: str
    kind: Any
    info: Any
    """The result of typer.Option or typer.Argument."""
    key: str = ""
    """Experiment key that it sets: ``--model static`` is ``--set model.name=static``."""


def flag(
    name: str, kind: Any, default: Any, help: str, *, opts: tuple[str, ...] = (), key: str = "", **more: Any
) -> Flag:
    """An option with its help, named ``--name`` or as given by `opts`."""
    names = opts or (f"--{name.replace('_', '-')}",)
    return Flag(name, kind, typer.Option(default, *names, help=help, **more), key)


EXPERIMENT = flag(
    "experiment",
    Path | None,
    None,
    "Experiment file; default: ./oceanpath.toml, otherwise the experiment last run in this workspace.",
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
    flag("to", str, "", "Last stage to run.", metavar="STAGE"),
    flag(
        "force",
        list[str] | None,
        None,
        "Run this stage and all stages that depend on it again; repeatable.",
        metavar="STAGE",
    ),
    flag("jobs", int, 1, "Number of processes for steps, folds and slides.", min=1),
    flag(
        "keep_going",
        bool | None,
        None,
        "Continue after failures: skip failed slides, and run all steps that do not depend on a failed one.",
        opts=("--keep-going",),
        key="data.allow_missing",
    ),
    flag("dry_run", bool, False, "Print what would run and why, without running it."),
    flag("mermaid", bool, False, "Print the plan with its graph as Mermaid text."),
    flag("device", str | None, None, "Device: auto, cpu, cuda, cuda:0 or mps.", key="runtime.device"),
    flag("workers", int | None, None, "Number of processes or threads that read data.", key="runtime.workers"),
    flag("seed", int | None, None, "Seed of splits and training.", key="seed"),
    JSON,
    flag("quiet", bool, False, "Print errors only, and the output of --dry-run or --json."),
)


def verb(call: Callable[[Common], int], extra: tuple[Flag, ...] = ()) -> Callable[..., int]:
    """A command for typer that takes `extra` and the common options, and calls `call` with their values."""

    def command(**values: Any) -> int:
        keys = [f"{f.key}={values[f.name]}" for f in (*extra, *COMMON) if f.key and values[f.name] is not None]
        return call(
            Common(
                experiment=named(values),
                sets=(*(values["sets"] or ()), *keys),
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
    """The experiment file on the command line, as an argument or with ``-e``.

    Raises: ExperimentError: there are two.
    """
    given = {values.get("file"), values["experiment"]} - {None}
    if len(given) > 1:
        raise ExperimentError(
            "two experiment files are named", expected="one", got=" and ".join(sorted(map(str, given)))
        )
    return given.pop() if given else None
