"""An experiment with `data.bag = "patient"` from the label table to predictions of its bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import oceanpath as op
from oceanpath.artifacts.bundle.folder import as_classifier, read_bundle
from oceanpath.cli.app import run_app
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import ParentSources
from oceanpath.serving.models import BundleSource, Models
from oceanpath.stages.eval.preflight import preflight as evaluate
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.tables import DataSettings

DIM, FOLDS, CAP = 8, 2, 20
COUNTS = (1, 2, 5)
"""Slides of patients in turn."""
NAME = "perceiver"
MODEL = 'name = "perceiver"\npositions = "fourier"\nhidden = 16\nheads = 2\nlatents = 4\nlayers = 1\n'


@dataclass(frozen=True)
class Ran:
    """The experiment, which was run."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "out" / "experiments" / NAME

    @property
    def stored(self) -> pd.DataFrame:
        return pd.read_parquet(self.results / "train" / "oof_predictions.parquet")

    def run(self, stage: str = "export", *more: str) -> int:
        file = str(self.folder / f"{NAME}.toml")
        return run_app([stage, "-e", file, "--workspace", str(self.folder / "out"), "--quiet", *more])


def write_cohort(folder: Path) -> None:
    """Features of 24 patients with 1, 2 or 5 slides on grids with holes, some with more patches than the cap."""
    (folder / "features").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), ["slide_id,patient_id,label,sex"]
    for patient in range(24):
        for k in range(COUNTS[patient % 3]):
            n, name = int(rng.integers(8, 40)), f"s{patient:02d}_{k}"
            cells = np.sort(rng.permutation(2 * n)[:n])
            with h5py.File(folder / "features" / f"{name}.h5", "w") as file:
                file["features"] = (rng.standard_normal((n, DIM)) + 0.7 * (patient // 3 % 2)).astype(np.float32)
                file["coords"] = (np.stack([cells % 7, cells // 7], axis=1) * 512 + 700 * k).astype(np.int32)
                file.attrs["encoder"] = "toy_encoder"
            rows.append(f"{name},p{patient:02d},{('low', 'high')[patient // 3 % 2]},{'fm'[patient % 2]}")
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")


def write_experiment(folder: Path) -> None:
    text = f'name = "{NAME}"\n[data]\nfeatures = "features"\nlabels = "cohort.csv"\nclasses = ["low", "high"]\n'
    text += f'bag = "patient"\n[mmap]\nmax_instances = {CAP}\n[split]\nfolds = {FOLDS}\n[model]\n{MODEL}\n'
    text += "[train]\nepochs = 2\nlr = 1e-2\nmax_patches = 30\n[eval]\nresamples = 200\nsubgroups = ['sex']\n"
    text += '[export]\nformats = ["onnx"]\nparity_patches = [7]\nparity_batches = [2]\n'
    text += "[analyze]\nattention_slides = 4\ndeletion_slides = 0\n"
    (folder / f"{NAME}.toml").write_text(text.replace("'", '"'))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("patients")
    write_cohort(folder)
    write_experiment(folder)
    assert Ran(folder).run() == 0
    return Ran(folder)


def test_there_is_one_prediction_per_patient(ran: Ran) -> None:
    stored = ran.stored
    assert stored["slide_id"].tolist() == stored["patient_id"].tolist()
    assert sorted(stored["slide_id"]) == [f"p{number:02d}" for number in range(24)]
    assert (pd.read_parquet(ran.results / "split" / "fold_0.parquet")["slide_id"].nunique()) == 24


def test_there_are_no_metrics_of_slides_and_the_reason_is_stated(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = json.loads((ran.results / "eval" / "metrics.json").read_text())
    reason = "bags are patients (data.bag), so there is no prediction of a slide"
    assert metrics["bag"] == "patient"
    for block in (metrics["level"], metrics["operating_point"], metrics["operating_points"]["sensitivity_95"]):
        assert {(record["value"], record["reason"]) for record in block["slide"].values()} == {(None, reason)}
        assert all(record.get("n", 24) == 24 for record in block["patient"].values())
    assert metrics["level"]["patient"]["auroc"]["value"] is not None
    assert any(note.startswith("patient_bags: ") for note in metrics["notes"])
    assert metrics["subgroups"]["columns"]["sex"]["too_small"] == {"f": 12, "m": 12}
    capsys.readouterr()
    assert ran.run() == 0
    assert run_app(["export", "-e", str(ran.folder / f"{NAME}.toml"), "--workspace", str(ran.folder / "out")]) == 0
    printed = capsys.readouterr().out
    assert "oceanpath ledger show" in printed and "oceanpath serve" not in printed
    assert "patients, n = 24" in printed and "slides, n" not in printed and "patient_bags: " in printed


def test_predictions_of_the_bundle_are_those_of_the_evaluation(ran: Ran, tmp_path: Path) -> None:
    facts = as_classifier(read_bundle(ran.results / "export").facts, ran.results)
    assert facts.parity.stored.rows == 24
    assert facts.contract.coords == "required" and facts.contract.patient_bags is not None
    assert facts.cohort is not None
    assert (facts.cohort.slides, facts.cohort.patients) == (64, 24)
    assert sum(facts.cohort.slides_per_class.values()) == 64
    out = tmp_path / "table.csv"
    asked = ["predict", str(ran.folder / "features"), "--bundle", str(ran.results / "export"), "--members"]
    assert run_app([*asked, "--patients", str(ran.folder / "cohort.csv"), "--out", str(out)]) == 0
    table, stored = pd.read_csv(out), ran.stored
    served = {row["slide_id"]: row for row in table.to_dict("records")}
    assert sorted(served) == sorted(stored["slide_id"])
    for row in stored.to_dict("records"):
        for label in ("low", "high"):
            value = served[row["slide_id"]][f"prob_{label}_fold{row['fold']}"]
            assert value == pytest.approx(row[f"prob_{label}"], abs=1e-5)
    assert table["in_training"].all()
    assert (table["n_patches"] > CAP).any() and (table["n_used"] == table["n_patches"]).all()


def test_maps_are_of_slides_and_sum_over_the_patient(ran: Ran) -> None:
    assert ran.run("analyze") == 0
    folder = ran.results / "analyze"
    facts = json.loads((folder / "analysis.json").read_text())["attention"]
    table = pd.read_parquet(folder / "attention.parquet")
    bags = {fact["slide_id"]: fact["bag"] for fact in facts}
    assert len(set(bags.values())) == 4 and len(bags) > 4
    for slide, own in table.groupby("slide_id"):
        with h5py.File(ran.folder / "features" / f"{slide}.h5") as file:
            places = set(map(tuple, file["coords"][()].tolist()))
        assert set(zip(own["x"], own["y"], strict=True)) <= places
        assert (folder / "attention" / f"{slide}.png").is_file()
    assert table.groupby(table["slide_id"].map(bags))["attention"].sum().to_numpy() == pytest.approx(
        np.ones(4), abs=1e-4
    )


def test_the_order_of_files_does_not_matter(ran: Ran, tmp_path: Path) -> None:
    files = sorted((ran.folder / "features").glob("s02_*.h5"))
    assert len(files) == 5
    tables = list[bytes]()
    for order in (files, files[::-1]):
        out = tmp_path / f"{len(tables)}.csv"
        asked = ["predict", *map(str, order), "--bundle", str(ran.results / "export")]
        assert run_app([*asked, "--patients", str(ran.folder / "cohort.csv"), "--out", str(out)]) == 0
        tables.append(out.read_bytes())
    assert tables[0] == tables[1]


def test_a_part_of_a_patient_and_single_slides_are_refused(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, cohort = str(ran.results / "export"), str(ran.folder / "cohort.csv")
    file = str(ran.folder / "features" / "s01_0.h5")

    def refused(*more: str) -> str:
        assert run_app(["predict", file, "--bundle", bundle, *more]) != 0
        return capsys.readouterr().err

    assert "one slide at a time" in refused() and "--patients TABLE" in refused()
    assert "a prediction needs all slides of a patient; got 1: s01_1" in refused("--patients", cohort)
    assert "attention maps of bags of patients" in refused("--patients", cohort, "--attention", "maps")
    (ran.folder / "other.csv").write_text("slide_id,patient_id\nx,y\n")
    assert "slides have no patient in the table; got 1: s01_0" in refused("--patients", str(ran.folder / "other.csv"))
    with pytest.raises(ExperimentError, match="one slide at a time"):
        Models.open([BundleSource(Path(bundle))])
    with pytest.raises(ExperimentError, match="one slide at a time"):
        op.load_bundle(bundle)


def test_columns_that_differ_within_a_patient_are_refused(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    table = (ran.folder / "cohort.csv").read_text()
    (ran.folder / "mixed.csv").write_text(table.replace("s01_0,p01,low,m", "s01_0,p01,low,f"))
    capsys.readouterr()
    assert ran.run("export", "--set", f"data.labels={ran.folder / 'mixed.csv'}") != 0
    assert "slides of one patient differ in column sex" in (error := capsys.readouterr().err)
    assert "got 1 patients: p01 ('f' and 'm')" in error


def test_keys_without_meaning_are_refused_before_any_work() -> None:
    (problem,) = evaluate(EvalSettings(bag="patient", patient_aggregation="max"), ParentSources()).problems
    assert "a bag of a patient has one prediction" in problem.render()
    with pytest.raises(ValueError, match="joins patches"):
        DataSettings(bag="patient", level="slide")
