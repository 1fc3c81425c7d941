"""The command line: one file per command. It parses, calls and prints; all computation is elsewhere.

`main` prints ``oceanpath --help`` from a stored page, without loading any command.
"""

from __future__ import annotations

import codecs
import gc
import io
import os
import sys

HELP = f"{__file__.removesuffix('__init__.py')}help.txt"
"""Path of the stored page, as text: importing pathlib takes as long as the rest of ``oceanpath --help``."""
ESCAPE = "oceanpath.escape"
"""Name under which `escape` is registered as a codec error handler."""


def main() -> None:
    """The console script."""
    escape_unencodable()
    if sys.argv[1:] in ([], ["--help"], ["-h"]):
        with io.open_code(HELP) as page:
            sys.stdout.write(page.read().decode("utf-8"))
        sys.exit(0)
    disable_pydantic_plugins()
    gc.disable()  # imports create many objects and no garbage; collection would take a tenth of the time of a fresh run
    from oceanpath.cli import signals

    signals.listen()
    try:
        code = run_command(sys.argv[1:])
        signals.restore()
    except KeyboardInterrupt:  # a signal arrived while loading or after the command
        code = signals.interrupted()
        signals.restore()
    sys.stdout.flush()
    sys.stderr.flush()
    if code > signals.BASE:
        os._exit(code)  # without waiting for threads; child processes end with this one
    if "numpy" not in sys.modules:
        os._exit(code)  # nothing was computed; shutting down the interpreter would take a fifth of the time
    sys.exit(code)


def run_command(words: list[str]) -> int:
    """The exit code of a command. A run with nothing to do ends without the application and its libraries."""
    if words[:1] == ["run"]:
        from oceanpath.cli.confirm import UNCONFIRMED, confirm_words
        from oceanpath.cli.exit_codes import exit_code

        code = exit_code(lambda: confirm_words(words))
        if code != UNCONFIRMED:
            return code
    from oceanpath.cli.app import run_app

    return run_app(words)


def disable_pydantic_plugins() -> None:
    """Skip the search of pydantic for plug-ins in the entry points of every installed package, which is slow.

    Its module is replaced too, because it loads the tools for that search even if they are not used.
    """
    if os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__") == "__all__":
        loader = type(sys)("pydantic.plugin._loader")
        loader.get_plugins = tuple  # type: ignore[attr-defined]  # a function that returns ()
        sys.modules.setdefault(loader.__name__, loader)


def escape_unencodable() -> None:
    """Write characters that the encoding of stdout or stderr lacks as escape sequences."""
    codecs.register_error(ESCAPE, escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)


def escape(error: UnicodeError) -> tuple[str, int]:
    r"""The escape sequences (``\uXXXX``, valid in JSON and TOML) of unencodable characters, and the next position."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    codes = [ord(character) for character in error.object[error.start : error.end]]
    return "".join(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}" for code in codes), error.end
