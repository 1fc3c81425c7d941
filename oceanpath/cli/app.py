"""The application with all commands; it turns every error into a line on stderr and an exit code."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any, cast

import typer

from oceanpath import __version__
from oceanpath.cli import verbs
from oceanpath.cli.exit_codes import exit_code
from oceanpath.errors import ExitCode
from oceanpath.pipeline.stage import resolve

GROUPS = {
    "bench": "oceanpath.cli.bench.commands:app",
    "bundle": "oceanpath.cli.bundle:bundle",
    "ledger": "oceanpath.cli.ledger.commands:app",
    "config": "oceanpath.cli.config:app",
    "splits": "oceanpath.cli.splits:splits",
    "models": "oceanpath.cli.models:models",
    "encoders": "oceanpath.cli.encoders:encoders",
    "features": "oceanpath.cli.features:features",
    "hub": "oceanpath.cli.hub:hub",
}
COMMANDS = {
    "init": "oceanpath.cli.init:init",
    "doctor": "oceanpath.cli.doctor:doctor",
    "serve": "oceanpath.cli.serve:serve",
    "compare": "oceanpath.cli.compare:compare",
    "leaderboard": "oceanpath.cli.leaderboard:leaderboard",
    "report": "oceanpath.cli.report_page:report",
    "reproduce": "oceanpath.cli.reproduce:reproduce",
    "search": "oceanpath.cli.search:search",
    "predict": "oceanpath.cli.predict:predict",
    "coverage": "oceanpath.cli.coverage:coverage",
    "embed": "oceanpath.cli.embed:embed",
    "probe": "oceanpath.cli.probe:probe",
}
WIDTH = 100
"""Characters per line of the stored and of the documented help."""
USAGE_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""Base class of usage errors: newer versions of typer contain their own copy of click, older ones import it."""


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"oceanpath {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error; accepted at any position."),
) -> None:
    """From whole-slide images and a table of labels to a slide-level model with reliable statistics."""


def build_app(word: str = "", *, helps: bool = True) -> typer.Typer:
    """The application, or the part of it that one command needs.

    Args:
        word: First word of the command line; if it is not a command, all commands are loaded.
        helps: Whether help may be printed, which needs the examples.
    """
    app = typer.Typer(
        name="oceanpath",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    names = {*verbs.names(), *GROUPS, *COMMANDS}
    needed = {word} if word in names else names
    verbs.register(app, needed)
    for name in [name for name in COMMANDS if name in needed]:
        app.command(name)(resolve(COMMANDS[name]))
    for name in [name for name in GROUPS if name in needed]:
        app.add_typer(cast("typer.Typer", resolve(GROUPS[name])), name=name)
    if helps:
        from oceanpath.cli.examples import add_examples

        add_examples(app)
    return app


def render_help() -> str:
    """The page of ``oceanpath --help``, which ``python docs/generate.py`` writes to `help.txt`."""
    command = typer.main.get_command(build_app())
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = typer.Context(command, info_name="oceanpath", **settings)
    return command.get_help(context) + "\n"


def run_app(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code (see `oceanpath.errors`)."""
    words = [word for word in arguments if word != "--debug"]
    return exit_code(lambda: _run_command(words), debug="--debug" in arguments)


def _run_command(words: Sequence[str]) -> int:
    """Parse and run one command, with the exit codes of typer's exceptions."""
    try:
        app = build_app(words[0] if words else "", helps=not {"-h", "--help"}.isdisjoint(words))
        gc.freeze()  # later collections skip the imported objects; see oceanpath.cli.main
        gc.enable()
        result = app(args=list(words), standalone_mode=False)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except USAGE_ERROR as error:
        error.show()
        return int(ExitCode.EXPERIMENT)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    if result == ExitCode.INTERRUPTED:  # typer's exit code of KeyboardInterrupt
        raise KeyboardInterrupt
    return int(result) if isinstance(result, int) else int(ExitCode.OK)
