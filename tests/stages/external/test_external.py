"""An external cohort is scored by every trained model and by their ensemble, without any change of earlier results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.external import ENSEMBLE, MEMBERS
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.store.reader import Store
from oceanpath.cli.app import run_app
from oceanpath.stages.external.independence import same_slides
from oceanpath.stages.external.work import check

from ...conftest import Cohort

TRAINED = '[model]\nname = "abmil"\nhidden = 4\n[train]\nepochs = 1\n[eval]\nresamples = 100\n'
EXTERNAL = """[[data.external]]
name = "{0}"
features = "{0}/features"
labels = "{0}/table.csv"
slide_id = "slide"
patient_id = "person"
label = "outcome"
"""


@dataclass
class Project:
    """A training cohort and external ones, in one folder."""

    cohort: Cohort

    @property
    def folder(self) -> Path:
        return self.cohort.folder

    def add(self, name: str, labels: Sequence[str], dim: int = 8, patient: str = "person_{}") -> None:
        """An external cohort with one slide per label, two slides per patient."""
        random = np.random.default_rng(len(name))
        (self.folder / name / "features").mkdir(parents=True)
        rows = ["slide,person,outcome"]
        for i, label in enumerate(labels):
            with h5py.File(self.folder / name / "features" / f"{name}{i}.h5", "w") as file:
                file["features"] = random.standard_normal((12, dim)).astype(np.float16)
                file["coords"] = np.arange(24, dtype=np.int32).reshape(-1, 2)
            rows.append(f"{name}{i},{patient.format(i // 2)},{label}")
        (self.folder / name / "table.csv").write_text("\n".join(rows) + "\n")

    def write(self, *external: str) -> Path:
        file = self.folder / "oceanpath.toml"
        file.write_text(self.cohort.toml + TRAINED + "".join(EXTERNAL.format(name) for name in external))
        return file

    def run(self, *external: str) -> dict[str, str]:
        """Train, and score the external cohorts; step → fingerprint."""
        stage, file = "external" if external else "train", str(self.write(*external))
        assert run_app([stage, "-e", file, "--workspace", str(self.folder / "out"), "--quiet"]) == 0
        links = (self.folder / "out" / "experiments" / "oceanpath").iterdir()
        return {link.name: link.resolve().name for link in links}

    def result(self, name: str) -> Path:
        return self.folder / "out" / "experiments" / "oceanpath" / f"external.{name}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str]]:
    """A project without external cohorts, and its fingerprints."""
    project = Project(Cohort(tmp_path_factory.mktemp("external")))
    project.add("b", ["R", "R", "NR", "NR"] * 3)
    project.add("one_class", ["R"] * 6, patient="other_{}")
    return project, project.run()


@pytest.fixture(scope="module")
def scored(trained: tuple[Project, dict[str, str]]) -> tuple[Project, dict[str, str]]:
    """The same project after an external cohort was added."""
    project, _ = trained
    return project, project.run("b")


def test_a_cohort_added_later_changes_no_earlier_result(
    trained: tuple[Project, dict[str, str]], scored: tuple[Project, dict[str, str]]
) -> None:
    (project, before), (_, after) = trained, scored
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"mmap.b", "split.b", "external.b"}
    with_two = project.run("b", "one_class")
    assert {name: with_two[name] for name in after} == after


def test_the_ensemble_and_every_model_are_evaluated(scored: tuple[Project, dict[str, str]]) -> None:
    folder = scored[0].result("b")
    check(folder)
    report = read_metrics(folder)
    assert report["external"] == "b" and report["level"]["slide"]["auroc"]["n"] == 12
    assert report["level"]["patient"]["auroc"]["n"] == 6 and report["cohort_flow"]["used"] == 12
    assert [fold["n"] for fold in report["folds"]] == [12, 12]
    members, ensemble = pd.read_parquet(folder / MEMBERS), pd.read_parquet(folder / ENSEMBLE)
    means = members.groupby("slide_id")["prob_R"].mean()
    assert np.allclose(ensemble.set_index("slide_id")["prob_R"], means)
    results = json.loads((folder.parent / "train" / "cv_results.json").read_text())
    threshold = np.mean([entry["threshold"] for entry in results["per_fold"]])
    positive = means >= threshold
    is_r = ensemble.set_index("slide_id")["label"] == "R"
    assert report["operating_point"]["slide"]["sensitivity"]["value"] == pytest.approx(positive[is_r].mean())


def test_a_missing_class_is_reported_and_leaves_other_metrics(
    trained: tuple[Project, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    project, _ = trained
    project.run("b", "one_class")
    folder = project.result("one_class")
    check(folder)
    slide = read_metrics(folder)["level"]["slide"]
    assert slide["auroc"]["value"] is None and slide["auroc"]["reason"]
    assert slide["accuracy"]["value"] is not None
    assert run_app(["config", "validate", str(project.write("one_class"))]) == 0
    assert "[[data.external]] one_class: no slide of class NR" in "".join(capsys.readouterr())


def spoil_table(project: Project, old: str, new: str) -> None:
    table = project.folder / "x" / "table.csv"
    table.write_text(table.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("spoil", "messages"),
    [
        (
            lambda project: spoil_table(project, "person_1", "p3"),
            ["patients of the external cohort are also in the training cohort", "1 of 2: p3", "[[data.external]] x"],
        ),
        (lambda project: (project.folder / "x/features/x1.h5").unlink(), ["in the table, without features: x1"]),
        (lambda project: spoil_table(project, "NR", "unknown"), ["unknown"]),
        (
            lambda project: (shutil.rmtree(project.folder / "x"), project.add("x", ["R", "NR"] * 2, dim=6)),
            ["the features of the external cohort have another length", "expected 8, got 6"],
        ),
        (
            lambda project: (
                shutil.rmtree(project.folder / "x"),
                project.add("x", ["R", "NR"] * 2, dim=6, patient="p{}"),
                (project.folder / "x/features/x1.h5").unlink(),
            ),
            ["have another length", "without features: x1"],
        ),
    ],
    ids=["same_patient", "missing_features", "unknown_class", "other_length", "all_at_once"],
)
def test_problems_of_a_cohort_are_reported_before_any_work(
    spoil: Callable[[Project], Any], messages: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(Cohort(tmp_path))
    project.add("x", ["R", "R", "NR", "NR"])
    assert run_app(["config", "validate", str(project.write("x"))]) == 0
    spoil(project)
    capsys.readouterr()
    assert run_app(["config", "validate", str(project.write("x"))]) != 0
    errors = capsys.readouterr().err
    for message in messages:
        assert message in errors


def test_a_slide_under_another_name_is_rejected(make_store: Callable[..., Store]) -> None:
    random = np.random.default_rng(0)
    bags = {name: random.standard_normal((3, 4)) for name in "abcd"}
    training, external = make_store({name: bags[name] for name in "abc"}), make_store({"x": bags["b"], "y": bags["d"]})
    (problem,) = same_slides(external, training, ["a", "b"], "here")
    assert "1: x = b" in problem.render()
    assert not same_slides(external, training, ["a", "c"], "here")
