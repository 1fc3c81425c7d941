"""The door of a room: what a stage declares, what its work receives, what it gives back."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from oceanpath.errors import OceanPathError
from oceanpath.pipeline.workspace import JOURNAL as JOURNAL
from oceanpath.pipeline.workspace import LOCAL as LOCAL
from oceanpath.settings import Settings


@dataclass(frozen=True)
class Stage:
    """One room of the house. Functions are named as ``"module:function"`` and imported only when they must run."""

    name: str
    version: int
    """Raised when changed code changes results."""
    settings: type[Settings]
    work: str
    """``run(settings, inputs, out, progress) -> Summary``; writes only below `out`."""
    check: str
    """``check(path)``: reads what was written and raises ArtifactError; runs before anything is published."""
    needs: tuple[str, ...] = ()
    """Parents by name; ``"demo?"`` is taken only when the experiment has that stage."""
    when: str = ""
    """Dotted key whose presence asks for this stage where it is an optional parent."""
    across: tuple[str, ...] = ()
    """Parents that are wanted from every variant, for comparison."""
    parts: str = ""
    """``parts(settings, inputs) -> list[Part]``; empty for a stage that is not mapped."""
    part_work: str = ""
    """``run_part(settings, inputs, part, out, progress) -> Summary``, for a mapped stage."""
    part_unit: str = "parts"
    """What its parts are called in the progress: slides, folds."""
    digest: str = ""
    """``digest(path) -> str``: what readers of the output see, where files of other bytes can say the same; it is what
    children are keyed by. Empty: every file's path and content."""
    extends: bool = False
    """Whether its work may link files of what it published before; see `Inputs.earlier`."""
    allows: str = ""
    """Settings field that allows the whole to be made without the parts that fail; see `Inputs.failed`."""
    preflight: str = ""
    """``preflight(settings, sources) -> Outlook``: what can be known to be wrong before any work; light to import."""
    self_checked: tuple[str, ...] = ()
    """Files of other stages, such as ``"mmap/*.bin"``, that the work compares with their digests itself where it first
    reads them, or only links; all others are compared before it starts."""
    doc: str = ""
    """One line for the command line."""

    def compared(self, parent: str) -> Callable[[str], bool]:
        """Whether a file that `parent` published is compared with its sealed digest before this stage starts."""
        return lambda name: not any(fnmatchcase(f"{parent}/{name}", pattern) for pattern in self.self_checked)

    def required(self) -> tuple[str, ...]:
        """Names of the parents it cannot do without."""
        return tuple(name for name in self.needs if not name.endswith("?"))

    def optional(self) -> tuple[str, ...]:
        """Names of the parents it uses when the experiment has them."""
        return tuple(name[:-1] for name in self.needs if name.endswith("?"))

    def all_parents(self) -> set[str]:
        """Names of all stages that come before it where they take part."""
        return {*self.required(), *self.optional(), *self.across}


@dataclass(frozen=True)
class Part:
    """One independent piece of a mapped stage: a slide, a fold."""

    key: str
    """Unique within the stage and safe as a folder name."""
    identity: Mapping[str, Any]
    """Exactly what determines this part, as JSON values: settings, digests of what it reads, its number."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """What the work needs beside it, never part of the identity: a path."""


@dataclass(frozen=True)
class Inputs:
    """All that a stage may read: its parents' published folders, and their digests."""

    parents: Mapping[str, Path] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    """Output digest of each parent."""
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Settings field of an outside input → {relative path: content digest}."""
    versions: Mapping[str, Mapping[str, tuple[int, int, int]]] = field(default_factory=dict)
    """The same → {relative path: (size, modification time [ns], inode) of the file that was digested}."""
    across: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    """Stage → {variant: published folder}, for the stages named in `Stage.across`."""
    parts: Mapping[str, Path] = field(default_factory=dict)
    """Part key → published folder, in part order; only for the work that gathers them."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Part key → why it failed, where the settings allow that; only for the work that gathers the others."""
    upcoming: Part | None = None
    """The part that this process works on next, if its executor knows it: it may be prepared in advance."""
    earlier: tuple[Path, ...] = ()
    """What the same stage published before, newest first, for a stage that `extends` it: bytes to link instead of
    writing them again, which decide nothing that readers see."""
    verify: bool = True
    """Whether what is read is compared with its digest first."""

    def check(self, parent: str, names: Iterable[str]) -> None:
        """Compare files of a parent with their sealed digests: for work that reads what `Stage.self_checked` names.

        Raises: ArtifactError: some differ.
        """
        if self.verify:
            _verify(self.parents[parent], names)

    def __getitem__(self, name: str) -> Path:
        """The folder that the parent stage `name` published."""
        return self.parents[name]

    def get(self, name: str) -> Path | None:
        """The folder of an optional parent, or None when the experiment has no such stage."""
        return self.parents.get(name)


def _verify(folder: Path, names: Iterable[str]) -> None:
    from oceanpath.pipeline.integrity import verify_files  # loads SQLite, which most commands do not need

    verify_files(folder, names)


@dataclass(frozen=True)
class ParentSources:
    """What is known of a stage's parents before any of them is made."""

    names: frozenset[str] = frozenset()
    """All of them."""
    parents: Mapping[str, Path] = field(default_factory=dict)
    """Folders of those that are published already."""
    expected: Mapping[str, Any] = field(default_factory=dict)
    """`Outlook.expected` of those that are to be made."""

    verify: bool = True
    """As `Inputs.verify`."""

    def get(self, name: str) -> Path | None:
        """The folder of a parent that is published already."""
        return self.parents.get(name)

    def check(self, parent: str, names: Iterable[str]) -> None:
        """Compare files of a published parent with their sealed digests before they are read.

        Raises: ArtifactError: some differ.
        """
        if self.verify:
            _verify(self.parents[parent], names)


@dataclass(frozen=True)
class Preview:
    """What a stage can tell before any work."""

    problems: tuple[OceanPathError, ...] = ()
    """Why it would fail."""
    notes: tuple[str, ...] = ()
    """Lines a user should see."""
    expected: Any = None
    """What its children may count on, in words that they understand; None where that is not known."""
    bytes: int = 0
    """What it will add to the disk at least, as far as that is known."""


@dataclass(frozen=True)
class Summary:
    """What a stage says about what it did; goes to the ledger and to the screen."""

    lines: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Flat name → finite number, text or None; the ledger can sort by them."""


class Progress(Protocol):
    """How work tells where it is. Calls are cheap; the screen decides what to draw."""

    def start(self, total: int, unit: str) -> None:
        """Begin counting to `total` things called `unit`."""

    def advance(self, count: int = 1) -> None:
        """`count` more are done."""

    def inside(self, done: float, pace: str) -> None:
        """All but for a fraction, `done` things are done; what the one at work is made of goes at `pace`."""

    def phase(self, text: str) -> None:
        """What is being done now, in a few words, where nothing is counted: "compiling UMAP"."""

    def note(self, text: str) -> None:
        """One line a user should see."""


class Quiet:
    """A Progress that draws nothing, for tests and for calls from Python."""

    def start(self, total: int, unit: str) -> None:
        """Draw nothing."""

    def advance(self, count: int = 1) -> None:
        """Draw nothing."""

    def inside(self, done: float, pace: str) -> None:
        """Draw nothing."""

    def phase(self, text: str) -> None:
        """Draw nothing."""

    def note(self, text: str) -> None:
        """Draw nothing."""


def resolve(path: str) -> Callable[..., Any]:
    """The function behind ``"module:function"``, imported now."""
    module, _, name = path.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
