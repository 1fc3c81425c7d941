"""The interface of a stage: its declaration, the inputs of its work, and its result."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from oceanpath.errors import OceanPathError
from oceanpath.pipeline.workspace import JOURNAL as JOURNAL
from oceanpath.pipeline.workspace import LOCAL as LOCAL

if TYPE_CHECKING:
    from oceanpath.settings import Settings

TRAINING = "training."
"""Prefix of a parent of an external cohort's step: the result for the experiment's own cohort."""


@dataclass(frozen=True)
class Stage:
    """One stage. Its settings and functions are named as ``"module:name"`` and imported when they are used."""

    name: str
    version: int
    """Raised when changed code changes results."""
    settings: str
    """``"module:class"`` of its settings; see `settings_class`."""
    work: str
    """``run(settings, inputs, out, progress) -> Summary``; writes only below `out`."""
    check: str
    """``check(path)``: reads what was written and raises ArtifactError; runs before anything is published."""
    needs: tuple[str, ...] = ()
    """Parents by name; ``"demo?"`` is used only if the experiment has that stage. The parents of a step of an external
    cohort are those of the same cohort, except ``"training.mmap"``."""
    alternative: tuple[str, ...] = ()
    """Parents instead of `needs`, where the file requests the first of them and not the first of `needs`."""
    when: str = ""
    """Dotted key that, if set, requests this stage where it is an optional parent; ``key=value``: with this value."""
    across: tuple[str, ...] = ()
    """Stages whose results are read from every variant, for comparison."""
    parts: str = ""
    """``parts(settings, inputs) -> list[Part]``; empty for a stage that is not mapped."""
    part_work: str = ""
    """``run_part(settings, inputs, part, out, progress) -> Summary``, for a mapped stage."""
    part_unit: str = "parts"
    """Unit of the parts in the progress: slides, folds."""
    resumes_parts: bool = False
    """Whether the work of a part may keep a journal, so that an interrupted part is resumed in its own folder."""
    digest: str = ""
    """``digest(path) -> str``: a digest of what readers of the output see, if different bytes can have the same
meaning.  The fingerprints of children depend on it. Empty: a digest of every file's path and content."""
    extends: bool = False
    """Whether its work may link files of its earlier results; see `Inputs.earlier`."""
    cohorts: Literal["", "also", "only"] = ""
    """Whether the stage also has, or only has, one step per external cohort (`oceanpath.pipeline.cohorts`)."""
    not_in_cohorts: tuple[str, ...] = ()
    """Keys of its table that do not apply to external cohorts."""
    only_in_cohorts: tuple[str, ...] = ()
    """The only keys of its table that apply to external cohorts; empty: all that `not_in_cohorts` does not name."""
    sealed_by: str = ""
    """Dotted key that, while it is true, keeps the stage from running: its work would predict sealed test slides."""
    allows: str = ""
    """Settings field that permits a result without the parts that fail; see `Inputs.failed`."""
    preflight: str = ""
    """``preflight(settings, sources) -> Preview``: problems that can be detected before any work; imports little."""
    self_checked: tuple[str, ...] = ()
    """Files of other stages, such as ``"mmap/*.bin"``, that the work only links, or itself compares with their digests
    on first read; all others are compared before the work starts."""
    doc: str = ""
    """Help of its command, in one line."""

    @cached_property
    def settings_class(self) -> type[Settings]:
        """The class of its settings, imported on first use: most commands need those of a few stages."""
        found: type[Settings] = resolve(self.settings)
        return found

    def applies_to_cohorts(self, key: str) -> bool:
        """Whether a key of its table applies to external cohorts."""
        return key in self.only_in_cohorts if self.only_in_cohorts else key not in self.not_in_cohorts

    def compared(self, parent: str) -> Callable[[str], bool]:
        """Whether a file that `parent` published is compared with its sealed digest before this stage starts."""
        return lambda name: not any(fnmatchcase(f"{parent}/{name}", pattern) for pattern in self.self_checked)

    def required(self) -> tuple[str, ...]:
        """Names of the required parents."""
        return _required(self.needs)

    def optional(self) -> tuple[str, ...]:
        """Names of the parents that are used if the experiment has them."""
        return _optional(self.needs)

    def parents(self, has: Callable[[str], bool]) -> list[str]:
        """Names of the parents that are used in a file that requests the stages for which `has` is true."""
        is_other = bool(self.alternative) and has(self.alternative[0]) and not has(self.needs[0])
        names = self.alternative if is_other else self.needs
        return [*_required(names), *filter(has, _optional(names))]

    def all_parents(self) -> set[str]:
        """Names of all stages that come before it if they are used."""
        names = (*self.needs, *self.alternative)
        return {*(name.removeprefix(TRAINING) for name in (*_required(names), *_optional(names))), *self.across}


def _required(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not name.endswith("?"))


def _optional(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name[:-1] for name in names if name.endswith("?"))


@dataclass(frozen=True)
class Part:
    """One independent part of a mapped stage, such as a slide or a fold."""

    key: str
    """Unique within the stage and safe as a folder name."""
    identity: Mapping[str, Any]
    """Everything that determines this part and nothing else, as JSON values: settings, digests of inputs, a number."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """Further input of the work that is not part of the identity, such as a path."""


@dataclass(frozen=True)
class Inputs:
    """Everything that a stage may read: its parents' published folders, and their digests."""

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
    """Part key → published folder, in part order; only for the work that combines them."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Part key → reason of a failure that the settings permit; only for the work that combines parts."""
    upcoming: Part | None = None
    """The next part of this process, if its executor knows it; the work may prepare it in advance."""
    earlier: tuple[Path, ...] = ()
    """Earlier results of the same stage, newest first, for a stage that `extends` them: files to link instead of
    writing the same bytes again. They do not change what readers see."""
    verify: bool = True
    """Whether inputs are compared with their digests before they are read."""

    def check(self, parent: str, names: Iterable[str]) -> None:
        """Compare files of a parent with their sealed digests: for work that reads files of `Stage.self_checked`.

        Raises: ArtifactError: some differ.
        """
        if self.verify:
            _verify(self.parents[parent], names)

    def __getitem__(self, name: str) -> Path:
        """The folder that the parent stage `name` published."""
        return self.parents[name]

    def get(self, name: str) -> Path | None:
        """The folder of an optional parent, or None if the experiment has no such stage."""
        return self.parents.get(name)

    def by_cohort(self, stage: str) -> dict[str, Path]:
        """External cohort → the folder that `stage` published for it."""
        prefix = f"{stage}."
        return {name.removeprefix(prefix): path for name, path in self.parents.items() if name.startswith(prefix)}


def _verify(folder: Path, names: Iterable[str]) -> None:
    from oceanpath.pipeline.integrity import verify_files  # loads SQLite, which most commands do not need

    verify_files(folder, names)


@dataclass(frozen=True)
class ParentSources:
    """What is known about the parents of a stage before any of them runs."""

    names: frozenset[str] = frozenset()
    """Names of all parents."""
    parents: Mapping[str, Path] = field(default_factory=dict)
    """Folders of the parents that are published already."""
    expected: Mapping[str, Any] = field(default_factory=dict)
    """`Preview.expected` of each parent that will run."""
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
    """The report of a stage before any work."""

    problems: tuple[OceanPathError, ...] = ()
    """Reasons why the stage would fail."""
    notes: tuple[str, ...] = ()
    """Notes for the user."""
    expected: Any = None
    """What its children can expect, in a type that they know; None if unknown."""
    bytes: int = 0
    """Minimum number of bytes that it will write, as far as known."""


@dataclass(frozen=True)
class Summary:
    """A summary of the result, for the ledger and for the screen."""

    lines: tuple[str, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Flat name → finite number, text or None; the ledger can sort by them."""


class Progress(Protocol):
    """Receives the progress of work. Calls are cheap; the screen determines what to draw."""

    def start(self, total: int, unit: str) -> None:
        """Start counting to `total` units named `unit`."""

    def advance(self, count: int = 1) -> None:
        """`count` more units are done."""

    def inside(self, done: float, pace: str) -> None:
        """`done` units are completed, including fractions of current ones; `pace` describes the rate."""

    def phase(self, text: str) -> None:
        """A phase in which nothing is counted, such as "compiling UMAP"."""

    def note(self, text: str) -> None:
        """A note for the user."""


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


def resolve(path: str) -> Any:
    """The function or class behind ``"module:name"``, imported now."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
