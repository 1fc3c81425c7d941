"""The errors of OceanPath. Each class has its own exit code.

    OceanPathError          1  a bug of OceanPath, where no subclass is raised
    ├── ExperimentError     2  the experiment file, the command line or the label table is wrong
    ├── StageError          3  a stage failed
    │   └── AccidentError   3  an error of the system, a killed process or a bug; the input may be correct
    ├── ArtifactError       4  a file on disk is damaged, or is not of its stated kind
    ├── MissingExtraError   5  an optional package is needed; the message names it
    └── GateError           6  a requested audit or check failed

Ctrl-C ends a command with 130, SIGTERM with 143, a closed terminal with 129.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    BUG = 1
    EXPERIMENT = 2
    STAGE = 3
    ARTIFACT = 4
    EXTRA = 5
    GATE = 6
    INTERRUPTED = 130


class OceanPathError(Exception):
    """One problem: where, what, expected, got, and what to do next."""

    exit_code = ExitCode.BUG
    each: tuple[OceanPathError, ...] = ()
    """The problems that this one error lists; see `together`."""

    def __init__(self, what: str, *, where: object = "", expected: object = "", got: object = "", do: str = "") -> None:
        self.what, self.where, self.do = what, str(where), do
        self.expected, self.got = str(expected), str(got)
        super().__init__(self.render())

    def render(self) -> str:
        """The message on one line: where, what, expected, got, and what to do."""
        text = (f"{self.where}: " if self.where else "") + self.facts()
        return text.rstrip(".") + (f". {self.do}" if self.do else "")

    def facts(self) -> str:
        """The message without location and remedy, the same on every machine."""
        facts = [f"expected {self.expected}" if self.expected else "", f"got {self.got}" if self.got else ""]
        details = ", ".join(fact for fact in facts if fact)
        return self.what + (f"; {details}" if details else "")

    def within(self, context: str) -> OceanPathError:
        """The same error; its location begins with `context`."""
        where = f"{context}: {self.where}" if self.where else context
        return _rebuild(type(self), self.what, where, self.expected, self.got, self.do)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickling for other processes, because the default would lose keyword arguments."""
        return (_rebuild, (type(self), self.what, self.where, self.expected, self.got, self.do))


def _rebuild(kind: type[OceanPathError], what: str, where: str, expected: str, got: str, do: str) -> OceanPathError:
    return kind(what, where=where, expected=expected, got=got, do=do)


class ExperimentError(OceanPathError):
    """The experiment file, the command line or the label table is wrong."""

    exit_code = ExitCode.EXPERIMENT


class StageError(OceanPathError):
    """A stage failed."""

    exit_code = ExitCode.STAGE


class AccidentError(StageError):
    """Work failed because of the operating system, a killed process or a bug; its input may be correct."""


class ArtifactError(OceanPathError):
    """A file on disk is damaged, or is not of its stated kind."""

    exit_code = ExitCode.ARTIFACT


class MissingExtraError(OceanPathError):
    """An optional package is needed; the message says how to install it."""

    exit_code = ExitCode.EXTRA


class GateError(OceanPathError):
    """A check that the user requested failed."""

    exit_code = ExitCode.GATE


def together(problems: Sequence[OceanPathError]) -> OceanPathError:
    """One error for several problems: a numbered list without repetitions, or the only problem itself.

    The list has the class of its problems, or is an ExperimentError where they have several classes.
    """
    flat = {each.render(): each for problem in problems for each in (problem.each or (problem,))}
    if len(flat) == 1:
        return next(iter(flat.values()))
    kinds = {type(each) for each in flat.values()}
    texts = [text.replace("\n", "\n   ") for text in flat]
    listed = "".join(f"\n  {number}. {text}" for number, text in enumerate(texts, 1))
    kind = kinds.pop() if len(kinds) == 1 else ExperimentError
    error = kind(f"{len(flat)} problems", do=f"Correct all of them, then run the same command again.{listed}")
    error.each = tuple(flat.values())
    return error


def refuse(problems: Sequence[OceanPathError]) -> None:
    """Raise all problems as one error, if there are any."""
    if problems:
        raise together(problems)


@contextmanager
def collected(problems: list[OceanPathError]) -> Iterator[None]:
    """Inside, an OceanPathError ends the block and is added to `problems`, so that later checks run too."""
    try:
        yield
    except OceanPathError as error:
        problems += error.each or (error,)


def repair_remedy(*folders: object) -> str:
    """The remedy for published folders with damaged files: the command that sets them aside, and the next step."""
    listed = " ".join(shlex.quote(str(folder)) for folder in folders)
    command = f"oceanpath ledger verify --deep --repair {listed}"
    return f"Set it aside with `{command}`, then repeat the command that computed it."


def shorten_list(items: Iterable[object], shown: int = 5) -> str:
    """The first items of a list and the number of the others: ``a, b and 3 more``."""
    texts = [str(item) for item in items]
    return ", ".join(texts[:shown]) + (f" and {len(texts) - shown} more" if len(texts) > shown else "")


def shorten_lines(lines: Sequence[str], shown: int) -> list[str]:
    """The first lines of a long list, and a last one with the number of the others."""
    return [*lines[:shown], *([f"and {len(lines) - shown} more"] if len(lines) > shown else [])]


def nearest(word: str, known: Iterable[str], count: int = 1) -> list[str]:
    """The known words that are similar to `word`, best first."""
    import difflib  # only needed for errors

    return difflib.get_close_matches(word, [str(name) for name in known], n=count, cutoff=0.5)
