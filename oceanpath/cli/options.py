"""Flags with one meaning in every verb, and how a verb is put together from them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

import oceanpath
from oceanpath.pipeline.experiment import Experiment, load
from oceanpath.pipeline.workspace import Workspace
from oceanpath.stages.catalog import CATALOG

OUTPUTS = Path("outputs")
LOCAL = Path("oceanpath.toml")


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
    "Experiment file; else ./oceanpath.toml, else the quickstart.",
    opts=("--experiment", "-e"),
)
WORKSPACE = flag("workspace", Path, OUTPUTS, "Where results are kept.", metavar="DIR")
JSON = flag("as_json", bool, False, "Print JSON.", opts=("--json",))
FILE = Flag("file", Path | None, typer.Argument(None, metavar="EXPERIMENT", help="Experiment file."))
SETS = flag("sets", list[str] | None, None, "Override a key; repeatable.", opts=("--set",), metavar="KEY=VALUE")
COMMON = (
    EXPERIMENT,
    SETS,
    WORKSPACE,
    flag("to", str, "", "Stop after this stage.", metavar="STAGE"),
    flag("force", list[str] | None, None, "Make this stage and what depends on it again; repeatable.", metavar="STAGE"),
    flag("jobs", int, 1, "Steps and parts made at once, each in a process of its own.", min=1),
    flag(
        "keep_going",
        bool | None,
        None,
        "After a failure, continue with what does not depend on it, and without slides that fail.",
        opts=("--keep-going",),
        key="data.allow_missing",
    ),
    flag("dry_run", bool, False, "Say what would run and why; change nothing."),
    flag("device", str | None, None, "auto, cpu, cuda, cuda:0 or mps.", key="runtime.device"),
    flag("workers", int | None, None, "Readers beside the computation.", key="runtime.workers"),
    flag("seed", int | None, None, "Seed of splits and training.", key="seed"),
    JSON,
    flag("quiet", bool, False, "No progress."),
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
    as_json: bool = False
    quiet: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    """Values of the verb's own flags."""

    def place(self) -> Workspace:
        """The workspace."""
        return Workspace(self.workspace.resolve())

    def load(self) -> Experiment:
        """The experiment that is meant; says which, when none was named."""
        path = self.experiment
        if path is None:
            path = LOCAL if LOCAL.is_file() else quickstart()
            print(f"experiment: {path}" + ("" if path == LOCAL else " (the bundled quickstart)"), file=sys.stderr)
        return load(path, CATALOG, self.sets)


def verb(call: Callable[[Common], int], extra: tuple[Flag, ...] = ()) -> Callable[..., int]:
    """A command for typer: it takes `extra` and the common flags, and calls `call` with what they say."""

    def command(**values: Any) -> int:
        spelled = [f"{f.key}={values[f.name]}" for f in (*extra, *COMMON) if f.key and values[f.name] is not None]
        return call(
            Common(
                experiment=values.get("file") or values["experiment"],
                sets=(*(values["sets"] or ()), *spelled),
                workspace=values["workspace"],
                to=values["to"],
                force=tuple(values["force"] or ()),
                jobs=values["jobs"],
                keep_going=bool(values["keep_going"]),
                dry_run=values["dry_run"],
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


def quickstart() -> Path:
    """The quickstart experiment that ships with OceanPath."""
    package = Path(oceanpath.__file__).parent
    bundled = package / "quickstart.toml"
    return bundled if bundled.is_file() else package.parent / "experiments" / "quickstart.toml"
