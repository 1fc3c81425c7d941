"""The command line: one file per verb; it parses, calls and prints, and computes nothing.

`main` answers ``oceanpath --help`` from a page rendered beforehand, so that it comes at once.
"""

from __future__ import annotations

import codecs
import gc
import io
import os
import sys
from pathlib import Path

HELP = Path(__file__).with_name("help.txt")
ESCAPE = "oceanpath.escape"
"""Name of the codec error handler that `escape` is."""


def main() -> None:
    """The console script."""
    make_streams_total()
    if sys.argv[1:] in ([], ["--help"], ["-h"]):
        sys.stdout.write(HELP.read_text(encoding="utf-8"))
        sys.exit(0)
    # in search of plug-ins pydantic would read the entry points of every installed package: longer than our own work
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()  # loading makes many objects and no garbage: looking for some would take a tenth of a no-op's time
    from oceanpath.cli import signals

    signals.listen()
    try:
        from oceanpath.cli.app import run_app

        code = run_app(sys.argv[1:])
    except KeyboardInterrupt:  # while loading
        code = signals.interrupted()
    signals.forget()
    sys.stdout.flush()
    sys.stderr.flush()
    if code > signals.BASE:
        os._exit(code)  # threads that are still at work are not waited for, and processes end with this one
    if "numpy" not in sys.modules:
        os._exit(code)  # nothing was computed: taking the interpreter apart would be a fifth of the time
    sys.exit(code)


def make_streams_total() -> None:
    """Let stdout and stderr take every character: one that their encoding lacks is written as an escape sequence."""
    codecs.register_error(ESCAPE, escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)


def escape(error: UnicodeError) -> tuple[str, int]:
    r"""Characters that cannot be encoded as ``\uXXXX``, which JSON and TOML read back, and where encoding resumes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = [ord(character) for character in error.object[error.start : error.end]]
    return "".join(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}" for code in codes), error.end
