"""The exit code of a command: every error becomes a line on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from oceanpath.cli import signals
from oceanpath.errors import ExitCode, OceanPathError


def exit_code(command: Callable[[], int], *, debug: bool = False) -> int:
    """Call a command and print its error, with a traceback if `debug`; returns its code (see `oceanpath.errors`)."""
    try:
        code = command()
        sys.stdout.flush()  # here an error can still be reported
    except OceanPathError as error:
        if debug:
            import traceback

            traceback.print_exc()
        print(f"error: {error.render()}", file=sys.stderr)
        return int(error.exit_code)
    except OSError as error:
        if debug:
            raise
        return _report_os_error(error)
    except KeyboardInterrupt:
        return signals.interrupted()
    return code


def _report_os_error(error: OSError) -> int:
    """Print an error of the operating system that no check detected; returns the exit code."""
    if error.filename is not None:
        do = "Published results are not affected; --debug shows the traceback."
        print(f"error: {error.filename}: a system call failed; got {error.strerror}. {do}", file=sys.stderr)
        return int(ExitCode.STAGE)
    _discard_output()
    if isinstance(error, BrokenPipeError):
        return 1  # the program that reads stdout has ended, for example `head`; typer uses the same exit code
    do = "Published results are safe. Free disk space, then run the same command again; --debug shows the traceback."
    print(f"error: a system call failed, possibly while printing; got {error}. {do}", file=sys.stderr)
    return int(ExitCode.STAGE)


def _discard_output() -> None:
    """Discard buffered output, which the interpreter would otherwise try to print again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
