"""Everything OceanPath raises on purpose. Each class is one decision a caller can make.

    OceanPathError          1  our bug, if it ever shows without a subclass
    ├── ExperimentError     2  the experiment file, the command line or the label table is wrong
    ├── StageError          3  a stage could not do its work
    ├── ArtifactError       4  a file on disk is damaged, or is not what it says it is
    ├── MissingExtraError   5  an optional package is needed; the message names it
    └── GateError           6  an audit or a check was asked for, and failed

Ctrl-C ends a command with 130, SIGTERM with 143, a closed terminal with 129.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell gets."""

    OK = 0
    BUG = 1
    EXPERIMENT = 2
    STAGE = 3
    ARTIFACT = 4
    EXTRA = 5
    GATE = 6
    INTERRUPTED = 130


class OceanPathError(Exception):
    """One problem in words: where, what, expected, got, and what to do next."""

    exit_code = ExitCode.BUG

    def __init__(self, what: str, *, where: object = "", expected: object = "", got: object = "", do: str = "") -> None:
        self.what, self.where, self.do = what, str(where), do
        self.expected, self.got = str(expected), str(got)
        super().__init__(self.render())

    def render(self) -> str:
        """The message on one line: where, what, expected, got, and what to do."""
        facts = [f"expected {self.expected}" if self.expected else "", f"got {self.got}" if self.got else ""]
        said = ", ".join(fact for fact in facts if fact)
        text = (f"{self.where}: " if self.where else "") + self.what + (f"; {said}" if said else "")
        return text.rstrip(".") + (f". {self.do}" if self.do else "")

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders; keyword arguments do not survive the default."""
        return (_rebuild, (type(self), self.what, self.where, self.expected, self.got, self.do))


def _rebuild(kind: type[OceanPathError], what: str, where: str, expected: str, got: str, do: str) -> OceanPathError:
    return kind(what, where=where, expected=expected, got=got, do=do)


class ExperimentError(OceanPathError):
    """The experiment file, the command line or the label table is wrong."""

    exit_code = ExitCode.EXPERIMENT


class StageError(OceanPathError):
    """A stage could not do its work."""

    exit_code = ExitCode.STAGE


class ArtifactError(OceanPathError):
    """A file on disk is damaged, or is not what it says it is."""

    exit_code = ExitCode.ARTIFACT


class MissingExtraError(OceanPathError):
    """An optional package is needed; the message says how to install it."""

    exit_code = ExitCode.EXTRA


class GateError(OceanPathError):
    """A check that the user asked for found something."""

    exit_code = ExitCode.GATE


def make_again(*folders: object) -> str:
    """What to do about published folders with damaged files: the command that sets them aside, and what follows."""
    named = " ".join(shlex.quote(str(folder)) for folder in folders)
    return f"Set it aside with `oceanpath ledger verify --deep --mend {named}`, then repeat the command that made it."


def nearest(word: str, known: Iterable[str], count: int = 1) -> list[str]:
    """The known words closest to `word`, best first; empty when none is close."""
    import difflib  # only mistakes need it

    return difflib.get_close_matches(word, [str(name) for name in known], n=count, cutoff=0.5)
