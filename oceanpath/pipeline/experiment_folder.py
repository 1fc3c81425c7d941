"""``experiments/<name>``: links to the results that an experiment uses now, consistent with each other.

A link stays as long as the parents of its result are the results that are linked next to it. See decision 0011.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from oceanpath.errors import ArtifactError, StageError
from oceanpath.pipeline.processes import process_tag, token
from oceanpath.pipeline.stage import TRAINING
from oceanpath.pipeline.workspace import Manifest, Workspace, read_manifest


@dataclass
class ExperimentFolder:
    """The links of one experiment."""

    workspace: Workspace
    name: str
    removed: set[str] = field(default_factory=set)
    """Steps whose links were removed because they were no longer consistent, and that were not linked again."""

    @property
    def path(self) -> Path:
        """The folder."""
        return self.workspace.root / "experiments" / self.name

    def link(self, step: str, published: Path, digest: str) -> None:
        """Link `step` to its published folder, after removing links to results that used another result of it.

        Args:
            step: name of the step.
            published: its published folder.
            digest: its output digest.

        Raises: StageError: the link cannot be set.
        """
        link, target = self.path / step, Path("../..") / published.relative_to(self.workspace.root)
        if link.is_symlink() and link.readlink() == target:
            return
        new = link.with_name(f".{step}.{process_tag()}.{token()}")
        with self._refusals():
            self.path.mkdir(parents=True, exist_ok=True)
            self._remove_inconsistent({step: digest})
            new.symlink_to(target)
            new.replace(link)
        self.removed.discard(step)

    def keep(self, steps: Iterable[str], cohorts: Iterable[str] = ()) -> None:
        """For the stages of `steps`, keep only these links: others belong to variants that no longer exist.

        Links of external cohorts other than `cohorts` are removed as well.

        Raises: StageError: a link cannot be removed.
        """
        kept, known = set(steps), {"", *cohorts}
        stages = {step.partition("@")[0] for step in kept}
        obsolete = [
            name
            for name in self._names()
            if (name not in kept and name.partition("@")[0] in stages) or _cohort_of(name) not in known
        ]
        with self._refusals():
            for name in obsolete:
                self._unlink(name)
            if obsolete:
                self._remove_inconsistent({})

    def _remove_inconsistent(self, changed: Mapping[str, str]) -> None:
        """Remove every link to a result whose parents are not the results that are linked."""
        manifests = dict(self._manifests(changed))
        digests = {**{name: manifest.digest for name, manifest in manifests.items()}, **changed}
        while names := [name for name, manifest in manifests.items() if not _is_consistent(name, manifest, digests)]:
            for name in names:
                self._unlink(name)
                del manifests[name], digests[name]

    def _manifests(self, changed: Mapping[str, str]) -> Iterator[tuple[str, Manifest]]:
        for name in self._names():
            if name in changed:
                continue
            try:
                manifest = read_manifest((self.path / name).resolve())
            except ArtifactError:
                manifest = None
            if manifest is None:
                self._unlink(name)
            else:
                yield name, manifest

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StageError("the links of the experiment could not be set", where=self.path, got=error) from error

    def _names(self) -> list[str]:
        return sorted(link.name for link in self.path.glob("[!.]*") if link.is_symlink())

    def _unlink(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)
        self.removed.add(name)


def _is_consistent(step: str, manifest: Manifest, digests: Mapping[str, str]) -> bool:
    """Whether every parent of a result is the linked one, by output digest."""
    variant, cohort = step.partition("@")[2], _cohort_of(step)
    parents = list[tuple[str, str, str]]()
    for key, digest in manifest.identity["parents"].items():
        own = f"{key}.{cohort}"
        is_own = cohort and any(name.partition("@")[0] == own for name in digests)
        parents.append((own if is_own else key.removeprefix(TRAINING), variant, digest))
    for stage, variants in manifest.identity["across"].items():
        parents += [(stage, name, digest) for name, digest in variants.items()]
    return all(_linked(stage, name, digests) == digest for stage, name, digest in parents)


def _cohort_of(step: str) -> str:
    """The external cohort of a step, or ""."""
    return step.partition("@")[0].partition(".")[2]


def _linked(stage: str, variant: str, digests: Mapping[str, str]) -> str | None:
    """Output digest of a variant's step of a stage, or that of the base if the variant has no step of its own."""
    return digests.get(f"{stage}@{variant}", digests.get(stage))
