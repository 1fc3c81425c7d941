"""An external cohort is scored by every trained model and by their ensemble, without any change of earlier results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.external import ENSEMBLE, MEMBERS
from oceanpath.artifacts.features.files import FeatureMeta, write_features
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.pretrained import WEIGHTS, WeightFacts, hash_ids, write_weights
from oceanpath.artifacts.store.reader import Store
from oceanpath.cli.app import run_app
from oceanpath.errors import GateError
from oceanpath.stages.external.feature_kind import other_files
from oceanpath.stages.external.independence import same_patients, same_slides, seen_in_pretraining, weight_files
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

    def replace(self, old: str, new: str) -> None:
        """Replace a text in the table of the cohort x."""
        table = self.folder / "x" / "table.csv"
        table.write_text(table.read_text().replace(old, new))

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
    assert report["calibration_methods"]["none"]["brier"]["value"] == report["level"]["slide"]["brier"]["value"]
    assert (folder / "decision_curve.png").is_file() and report["operating_points"].keys() >= {"sensitivity_95"}
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


def name_a_training_patient(project: Project) -> None:
    project.replace("person_1", "p3")


def remove_features(project: Project) -> None:
    (project.folder / "x/features/x1.h5").unlink()


def name_an_unknown_class(project: Project) -> None:
    project.replace("NR", "unknown")


def change_length(project: Project) -> None:
    shutil.rmtree(project.folder / "x")
    project.add("x", ["R", "NR"] * 2, dim=6, patient="p{}")


def change_everything(project: Project) -> None:
    change_length(project)
    remove_features(project)


@pytest.mark.parametrize(
    ("spoil", "messages"),
    [
        (name_a_training_patient, ["also in the training cohort; got 1 of 2: p3", "[[data.external]] x: "]),
        (remove_features, ["in the table, without features: x1"]),
        (name_an_unknown_class, ["a class has no slide; expected NR", "with a label that is no class"]),
        (change_length, ["the features of the external cohort have another length", "expected 8, got 6"]),
        (change_everything, ["have another length", "without features: x1", "got 2 of 2: p0, p1"]),
    ],
)
def test_problems_of_a_cohort_are_reported_before_any_work(
    spoil: Callable[[Project], None], messages: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
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


@pytest.mark.parametrize(
    ("external", "training", "shared"),
    [
        ({"s1": "p1"}, {"t1": "p1"}, ["p1"]),
        ({"s1": "p1"}, {"s1": "p2"}, []),  # two hospitals may number their slides in the same way
        ({"TCGA-05-4244-01Z-00-DX1": "a"}, {"t1": "TCGA-05-4244"}, ["a"]),
        ({"TCGA-05-4244-01Z-00-DX1": "a"}, {"TCGA-05-4244-01A-01-TS1": "b"}, ["a"]),
        ({"s1": "s1"}, {"s1": "s1"}, ["s1"]),
    ],
)
def test_patients_are_recognised_by_their_ids(
    external: dict[str, str], training: dict[str, str], shared: list[str]
) -> None:
    problems = same_patients(external, training)
    assert [problem.got for problem in problems] == [f"1 of 1: {name}" for name in shared]


def test_patients_who_were_used_for_pretraining_are_rejected_unless_accepted(tmp_path: Path) -> None:
    known = hash_ids(["p1", "p2"])
    facts = WeightFacts({"name": "vicreg"}, {"name": "abmil"}, 8, "", "", None, None, 1, known, [])
    write_weights(tmp_path / WEIGHTS, {"w": np.zeros(1, np.float32)}, facts)
    files = weight_files(tmp_path, None)
    assert weight_files(None, tmp_path / WEIGHTS) == files == [tmp_path / WEIGHTS]
    assert seen_in_pretraining(files, {"s1": "p1", "s2": "p9"}, allowed=True) == ["p1"]
    assert seen_in_pretraining(files, {"s2": "p9"}, allowed=False) == []
    with pytest.raises(GateError, match="1 of 2: p1"):
        seen_in_pretraining(files, {"s1": "p1", "s2": "p9"}, allowed=False)


def test_patches_of_another_size_or_encoder_are_rejected(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("own", "training")]
    for folder, (encoder, patch, mpp) in zip(folders, (("uni", 512, 0.25), ("phikon", 256, 0.5)), strict=True):
        folder.mkdir()
        meta = FeatureMeta(encoder, 4, patch, mpp, mpp, mpp, "stated", 512.0, 1024, 1024, "", "")
        write_features(folder / "a.h5", np.ones((3, 4)), np.zeros((3, 2), np.int32), meta)
    texts = [problem.render() for problem in other_files((folders[0], ""), (folders[1], ""))]
    assert [text.partition("expected ")[2].partition(". ")[0] for text in texts] == [
        "phikon, got uni",
        "256 px, got 512 px",
        "0.5 µm/px, got 0.25 µm/px",
    ]
    assert other_files((folders[1], ""), (folders[1], "")) == []
