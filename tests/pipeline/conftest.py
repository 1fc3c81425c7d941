"""A toy project: three stages that count letters, with the interface of the real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from oceanpath.errors import ArtifactError, ExperimentError, StageError, together
from oceanpath.pipeline.catalog import Catalog, Table
from oceanpath.pipeline.experiment import load
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import Plan, Step, plan
from oceanpath.pipeline.runner import Runner, RunOptions
from oceanpath.pipeline.stage import Inputs, ParentSources, Part, Preview, Progress, Quiet, Stage, Summary
from oceanpath.pipeline.status import StepState, forced_steps
from oceanpath.pipeline.workspace import Workspace
from oceanpath.settings import Settings, outside, runtime, shared

from ..narrowing import required

HERE = __name__
ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys
from pathlib import Path
from tests.pipeline import conftest
if __name__ == "__main__":
    folder, jobs, force, *sets = sys.argv[1:]
    states = conftest.ToyProject(Path(folder)).run(sets, force.split(), jobs=int(jobs))
    print(*conftest.CALLS, sep="\\n")
    for state in states.values():
        if state.error:
            sys.exit(str(state.error))
"""
CALLS: list[str] = []
"""Names of all work that ran, in order."""
FAIL: set[str] = set()
"""Names of work that must fail."""


class DataTable(Settings):
    root: Path | None = None
    words: Path | None = None


class ReadSettings(Settings):
    upper: bool = False
    threads: int = runtime(1)
    words: Path | None = outside("data.words")


class CountSettings(Settings):
    factor: int = Field(1, ge=1)
    letters: str = "ab"
    tolerant: bool = False
    seed: int = shared("seed", 0)


class ReportSettings(Settings):
    title: str = "t"


def read(settings: ReadSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    CALLS.append("read")
    if "read" in FAIL:
        raise StageError("fails on request", where="read")
    text = required(settings.words).read_text().splitlines()[0]  # only the first line counts: for early cut-off
    (out / "text.txt").write_text(text.upper() if settings.upper else text)
    return Summary(("read it",), {"length": len(text)})


def parts(settings: CountSettings, inputs: Inputs) -> list[Part]:
    common = {"text": inputs.digests["read"], "factor": settings.factor, "seed": settings.seed}
    return [Part(letter, {"letter": letter, **common}) for letter in settings.letters]


def count_part(settings: CountSettings, inputs: Inputs, part: Part, out: Path, progress: Progress) -> Summary:
    CALLS.append(f"count {part.key}")
    if part.key in FAIL:
        raise StageError("fails on request", where=part.key)
    if f"refuse {part.key}" in FAIL:
        raise OSError(28, "No space left on device")
    if f"crash {part.key}" in FAIL:
        raise KeyError("not planned")
    text = (inputs["read"] / "text.txt").read_text()
    (out / f"{part.key}.txt").write_text(str(text.count(part.key) * settings.factor))
    return Summary()


def count(settings: CountSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    CALLS.append("count")
    found = {key: int((place / f"{key}.txt").read_text()) for key, place in inputs.parts.items()}
    (out / "counts.json").write_text(json.dumps(found | dict(inputs.failed), sort_keys=True))
    return Summary((), {"total": sum(found.values())})


def report(settings: ReportSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    CALLS.append("report")
    (out / "report.txt").write_text(settings.title + (inputs["count"] / "counts.json").read_text())
    (out / "variants.txt").write_text(" ".join(sorted(inputs.across["count"])))
    return Summary()


AHEAD: dict[str, Preview] = {}
"""Stage → the report of its preflight."""
SEEN: dict[str, ParentSources] = {}
"""Stage → the sources that its preflight received."""


def read_ahead(settings: ReadSettings, sources: ParentSources) -> Preview:
    SEEN["read"] = sources
    return AHEAD.get("read", Preview())


def count_ahead(settings: CountSettings, sources: ParentSources) -> Preview:
    SEEN["count"] = sources
    if "count ahead" in FAIL:
        raise together([ExperimentError("one thing"), ExperimentError("another")])
    return AHEAD.get("count", Preview())


def check(path: Path) -> None:
    if "check" in FAIL:
        raise ArtifactError("is bad on request", where=path)


def toy_catalog(version: int = 1) -> Catalog:
    check = f"{HERE}:check"
    return Catalog(
        stages=(
            Stage(
                "read",
                1,
                f"{HERE}:ReadSettings",
                f"{HERE}:read",
                check,
                when="data.words",
                preflight=f"{HERE}:read_ahead",
            ),
            Stage(
                "count",
                version,
                f"{HERE}:CountSettings",
                f"{HERE}:count",
                check,
                needs=("read",),
                parts=f"{HERE}:parts",
                part_work=f"{HERE}:count_part",
                allows="tolerant",
                preflight=f"{HERE}:count_ahead",
            ),
            Stage("report", 1, f"{HERE}:ReportSettings", f"{HERE}:report", check, needs=("count",), across=("count",)),
        ),
        tables={"data": Table(f"{HERE}:DataTable")},
        scalars={"seed": 0},
    )


class SilentScreen:
    """A screen that draws nothing."""

    def begin(self, step: Step, why: list[str]) -> Progress:
        return Quiet()

    def end(self, state: StepState) -> None:
        pass


@dataclass
class ToyProject:
    """A folder with an experiment file, a word file and a workspace."""

    folder: Path
    catalog: Catalog = field(default_factory=toy_catalog)

    @property
    def file(self) -> Path:
        return self.folder / "toy.toml"

    @property
    def words(self) -> Path:
        return self.folder / "words.txt"

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / "out")

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def plan(self, sets: Sequence[str] = (), **more: Any) -> Plan:
        return plan(load(self.file, self.catalog, tuple(sets)), **more)

    def run(self, sets: Sequence[str] = (), force: Sequence[str] = (), **options: Any) -> dict[str, StepState]:
        made = self.plan(sets)
        CALLS.clear()
        self.workspace.open()
        with Ledger(self.workspace.ledger) as ledger:
            chosen = RunOptions(forced_steps(made, force), **options)
            states = Runner(made, self.workspace, ledger, "test", SilentScreen(), chosen).run()
        return {state.step.name: state for state in states}


def project(folder: Path) -> Path:
    """Create the folder, with an experiment of three steps."""
    folder.mkdir(exist_ok=True)
    (folder / "words.txt").write_text("abba\nsecond line\n")
    (folder / "toy.toml").write_text('name = "toy"\n[data]\nwords = "words.txt"\n[read]\n[count]\n[report]\n')
    return folder


def start(
    folder: Path, *sets: str, jobs: int = 1, force: str = "", inside: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Run the experiment of a folder in its own process, which prints the work that it did.

    `inside` is a command that runs another one.
    """
    script = folder / "run.py"
    script.write_text(RUN)
    command = [*inside, sys.executable, str(script), str(folder), str(jobs), force, *sets]
    environment, pipe = {**os.environ, "PYTHONPATH": str(ROOT)}, subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyProject:
    import sys

    monkeypatch.setitem(sys.modules, HERE, sys.modules.get(HERE) or __import__(HERE))
    FAIL.clear()
    CALLS.clear()
    AHEAD.clear()
    SEEN.clear()
    return ToyProject(project(tmp_path))


@pytest.fixture
def calls() -> Callable[[], list[str]]:
    return lambda: list(CALLS)


@pytest.fixture
def fail() -> set[str]:
    return FAIL
