"""External cohorts have steps of their own, and the steps of the experiment's cohort do not depend on them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.catalog import Table
from oceanpath.pipeline.cohorts import ExternalCohorts
from oceanpath.pipeline.stage import Inputs, Progress, Stage, Summary
from oceanpath.settings import Settings, shared

from . import conftest
from .conftest import CALLS, DataTable, ToyProject

HERE = __name__
BASE = '[data]\nwords = "words.txt"\n[read]\nupper = true\n[count]\n[report]\n'
COHORT = '[[data.external]]\nname = "{0}"\nwords = "{0}.txt"\n'


class Words(DataTable):
    external: tuple[dict[str, Any], ...] | None = None


class CompareSettings(Settings):
    cohort: str = shared("cohort", "")
    words: Path | None = shared("data.words", None, is_runtime=True)
    training_words: Path | None = shared("training.data.words", None, is_runtime=True)


def compare(settings: CompareSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    CALLS.append(f"compare {settings.cohort}")
    own, training = ((inputs[name] / "text.txt").read_text() for name in ("read", "training.read"))
    names = [path.name for path in (settings.words, settings.training_words) if path]
    counts = (inputs["count"] / "counts.json").read_text()
    (out / "compared.txt").write_text(json.dumps([own, training, counts, names]))
    return Summary()


def dropped(own: Collection[str]) -> set[str]:
    return {"words"}


@pytest.fixture
def project(toy: ToyProject) -> ToyProject:
    read, count, report = toy.catalog.stages
    needs = ("count", "read", "training.read")
    work, check = f"{HERE}:compare", f"{conftest.HERE}:check"
    stage = Stage(
        "compare", 1, f"{__name__}:CompareSettings", work, check, needs=needs, when="data.external", cohorts="only"
    )
    stages = (
        replace(read, cohorts="also", not_in_cohorts=("upper",)),
        count,
        stage,
        replace(report, needs=("count", "compare?")),
    )
    tables = {"data": Table(f"{__name__}:Words")}
    toy.catalog = replace(
        toy.catalog, stages=stages, tables=tables, cohorts=ExternalCohorts("data", "external", dropped)
    )
    for name in ("words", "b", "c"):
        (toy.folder / f"{name}.txt").write_text(f"a word of {name}")
    return toy


def compared(project: ToyProject, cohort: str) -> list[Any]:
    path = project.folder / "out" / "experiments" / "toy" / f"compare.{cohort}" / "compared.txt"
    found: list[Any] = json.loads(path.read_text())
    return found


def test_the_steps_of_a_cohort_read_its_own_data_and_the_results_of_the_experiment(project: ToyProject) -> None:
    project.write(BASE + COHORT.format("b"))
    states = project.run()
    assert list(states) == ["read", "read.b", "count", "compare.b", "report"]
    own, training, counts, names = compared(project, "b")
    assert (own, training) == ("a word of b", "A WORD OF WORDS")  # read.upper does not apply to cohorts
    assert json.loads(counts) == {"a": 0, "b": 0} and names == ["b.txt", "words.txt"]
    assert states["report"].step.parents == {"count": "count", "compare.b": "compare.b"}


def test_a_cohort_that_is_added_computes_only_its_own_steps(project: ToyProject) -> None:
    project.write(BASE)
    before = project.run()
    project.write(BASE + COHORT.format("b"))
    project.run()
    assert list(CALLS) == ["read", "compare b", "report"]
    project.write(BASE + COHORT.format("b") + COHORT.format("c"))
    after = project.run()
    assert list(CALLS) == ["read", "compare c", "report"]
    assert {name: after[name].fingerprint for name in ("read", "count")} == {
        name: before[name].fingerprint for name in ("read", "count")
    }
    assert after["compare.b"].state == after["read.b"].state == "fresh"


def test_links_of_a_cohort_are_removed_with_it(project: ToyProject) -> None:
    folder = project.folder / "out" / "experiments" / "toy"
    project.write(BASE + COHORT.format("b") + COHORT.format("c"))
    project.run()
    project.write(BASE + COHORT.format("c"))
    project.run()
    links = {path.name for path in folder.iterdir()}
    assert links == {"read", "read.c", "count", "compare.c", "report"}
    (project.folder / "words.txt").write_text("another word")
    project.run(sets=["count.letters=x"])
    assert compared(project, "c")[1] == "ANOTHER WORD"
    assert {path.name for path in folder.iterdir()} == links


def test_each_variant_is_compared_with_each_cohort(project: ToyProject) -> None:
    project.write(BASE + COHORT.format("b") + '[[variant]]\nname = "x"\ncount.factor = 2\n')
    states = project.run()
    assert set(states) == {"read", "read.b", "count", "count@x", "compare.b", "compare.b@x", "report", "report@x"}
    assert states["report@x"].step.parents == {"count": "count@x", "compare.b": "compare.b@x"}
    links = {path.name for path in (project.folder / "out" / "experiments" / "toy").iterdir()}
    assert links == set(states)


def test_a_cohort_adds_no_step_to_other_targets(project: ToyProject) -> None:
    project.write(BASE + COHORT.format("b"))
    assert [step.name for step in project.plan(to="count").steps] == ["read", "count"]
    assert [step.name for step in project.plan(targets=["count"]).steps] == ["read", "count"]
    assert "compare.b" in [step.name for step in project.plan(targets=["report"]).steps]


def test_without_cohorts_their_stage_cannot_be_requested(project: ToyProject) -> None:
    project.write(BASE + COHORT.format("b"))
    assert "compare.b" not in [step.name for step in project.plan(sets=["data.external=[]"]).steps]
    with pytest.raises(ExperimentError, match=r"no external cohort. Add a table \[\[data.external\]\]"):
        project.plan(sets=["data.external=[]"], targets=["compare"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[data.external]]\nwords = "b.txt"\n', "needs a name that is usable as a folder name"),
        (COHORT.format("a.b"), "needs a name that is usable as a folder name"),
        (COHORT.format("b") * 2, "two external cohorts have the same name"),
        (COHORT.format("b") + 'wrods = "x"\n', "unknown key 'wrods'.*Did you mean 'words'"),
    ],
)
def test_wrong_cohorts_are_rejected(project: ToyProject, text: str, message: str) -> None:
    project.write(BASE + text)
    with pytest.raises(ExperimentError) as caught:
        project.plan()
    assert re.search(message, caught.value.render())
    assert "toy.toml" in caught.value.render()
