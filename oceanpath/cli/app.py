"""All verbs together, and the one place where an error becomes a line on stderr and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, cast

import typer

from oceanpath import __version__
from oceanpath.cli import signals, verbs
from oceanpath.errors import ExitCode, OceanPathError
from oceanpath.pipeline.stage import resolve

GROUPS = {
    "bench": "oceanpath.cli.bench.commands:app",
    "ledger": "oceanpath.cli.ledger.commands:app",
    "config": "oceanpath.cli.config:app",
    "models": "oceanpath.cli.models:models",
    "encoders": "oceanpath.cli.encoders:encoders",
}
COMMANDS = {
    "serve": "oceanpath.cli.serve:serve",
    "predict": "oceanpath.cli.predict:predict",
    "coverage": "oceanpath.cli.coverage:coverage",
}
WIDTH = 100
"""Characters of a line of the kept and of the documented help."""
USAGE_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""Newer typers carry a click of their own, older ones use the public one; this is the base of either's errors."""


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"oceanpath {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error; valid anywhere."),
) -> None:
    """From whole-slide images and a table of labels to a slide-level model with reliable statistics."""


def build_app(word: str = "", *, helps: bool = True) -> typer.Typer:
    """The application; when the first `word` of the command line is a known verb, only the part it needs.

    Args:
        word: first word of the command line.
        helps: whether any help may be printed, which ends in examples.
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
    known = {*verbs.names(), *GROUPS, *COMMANDS}
    wanted = {word} if word in known else known
    verbs.register(app, wanted)
    for name in [name for name in COMMANDS if name in wanted]:
        app.command(name)(resolve(COMMANDS[name]))
    for name in [name for name in GROUPS if name in wanted]:
        app.add_typer(cast("typer.Typer", resolve(GROUPS[name])), name=name)
    if helps:
        from oceanpath.cli.examples import add_examples

        add_examples(app)
    return app


def render_help() -> str:
    """The page of ``oceanpath --help``; ``python docs/generate.py`` keeps it in `help.txt`."""
    command = typer.main.get_command(build_app())
    context = typer.Context(command, info_name="oceanpath", terminal_width=WIDTH, max_content_width=WIDTH)
    return command.get_help(context) + "\n"


def run_app(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code (see `oceanpath.errors`)."""
    debug = "--debug" in arguments
    try:
        words = [word for word in arguments if word != "--debug"]
        app = build_app(words[0] if words else "", helps=not {"-h", "--help"}.isdisjoint(words))
        gc.freeze()  # what was loaded stays: no later search needs to look at it; see oceanpath.cli.main
        gc.enable()
        result = app(args=words, standalone_mode=False)
        if result == ExitCode.INTERRUPTED:  # what typer makes of KeyboardInterrupt
            return signals.interrupted()
        sys.stdout.flush()  # here, where a refusal can still be told
    except OceanPathError as error:
        if debug:
            traceback.print_exc()
        print(f"error: {error.render()}", file=sys.stderr)
        return int(error.exit_code)
    except OSError as error:
        if debug:
            raise
        return _refused(error)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except USAGE_ERROR as error:
        error.show()
        return int(ExitCode.EXPERIMENT)
    except (KeyboardInterrupt, typer.Abort):
        return signals.interrupted()
    return int(result) if isinstance(result, int) else int(ExitCode.OK)


def _refused(error: OSError) -> int:
    """Say what the operating system refused, where no check before the work knew of it; returns the exit code."""
    if error.filename is not None:
        do = "Nothing that was published is affected; --debug shows where it happened."
        print(f"error: {error.filename}: the system refused; got {error.strerror}. {do}", file=sys.stderr)
        return int(ExitCode.STAGE)
    _be_silent()
    if isinstance(error, BrokenPipeError):
        return 1  # whoever read what we print has gone, as `head` does; typer ends so where it sees it first
    do = "What is published is safe. Make room, then run the same command again; --debug shows where it was."
    print(f"error: the system refused, perhaps to take what is printed; got {error}. {do}", file=sys.stderr)
    return int(ExitCode.STAGE)


def _be_silent() -> None:
    """Let what still waits to be printed go nowhere, or the interpreter would try again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
