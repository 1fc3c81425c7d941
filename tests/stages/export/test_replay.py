"""What is shipped gives the predictions that were evaluated: of every fold, from the files, or nothing is shipped."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
import pytest
import torch
from litestar.testing import TestClient

from oceanpath.artifacts import predictions
from oceanpath.artifacts.bundle import folder as bundle
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import StageError
from oceanpath.fit.objectives.classification import softmax
from oceanpath.models.registry import aggregator_names
from oceanpath.models.verify.trial import small
from oceanpath.pipeline.stage import Quiet
from oceanpath.serving.app import create_app
from oceanpath.serving.engine import Engine
from oceanpath.serving.models import Models
from oceanpath.serving.offline import predict_slides
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.slide_inputs import find_inputs
from oceanpath.stages.export import model_files, work
from oceanpath.stages.export.ensemble import Ensemble
from oceanpath.stages.export.onnx_file import to_onnx
from oceanpath.stages.export.replay import EvaluatedPredictions, choose_rows, replay
from oceanpath.stages.export.runners import Runner, torch_runner
from oceanpath.stages.export.settings import ExportSettings

from ...narrowing import required
from .conftest import CLASSES, OBJECTIVE, TASK, Study, write_study

READERS: dict[str, dict[str, Any]] = {
    "transformer": {"name": "transformer", "hidden": 16, "heads": 2, "layers": 1, "pitch": 512.0},
    "perceiver": {"name": "perceiver", "hidden": 16, "heads": 2, "latents": 4, "layers": 1, "positions": "fourier"},
    "transmil": {"name": "transmil", "hidden": 16, "heads": 2, "landmarks": 4},
}
ALL = os.environ.get("OCEANPATH_AGGREGATORS") == "all"
"""Every architecture, in ``nox -s bundles``; otherwise those that are exported in some seconds."""
OTHERS = sorted({*aggregator_names()} - {*READERS, "dtfd"}) if ALL else []
QUICK = ExportSettings(parity_patches=(1, 7), parity_batches=(2,))


def export(study: Study, out: Path, settings: ExportSettings = QUICK) -> bundle.BundleFacts:
    out.mkdir(exist_ok=True)
    work.run(settings, study.inputs(), out, Quiet())
    bundle.check(out)
    return bundle.read_facts(out)


def recomputed(study: Study, out: Path, *, coords: bool) -> float:
    """The largest difference of a stored test prediction and the shipped ONNX file, by a session of this test's own."""
    session, store = ort.InferenceSession(str(out / bundle.ONNX)), Store(study.mmap)
    apart = []
    for row in predictions.read_oof(study.train, TASK).to_dict("records"):
        number = store.number(row["slide_id"])
        feed = {"features": store.features(number).astype(np.float32)[None]}
        if coords:
            feed["coords"] = required(store.coords(number)).astype(np.float32)[None]
        said = softmax(session.run(["member_logits"], feed)[0][row["fold"]])[0]
        apart.append(np.abs(said - [row[f"prob_{name}"] for name in CLASSES]).max())
    assert len(apart) == 60
    return float(max(apart))


def answered(study: Study, out: Path) -> float:
    """The largest difference of stored test predictions from those of `predict`, and of these from the server's."""
    engine, rows = Engine.load(out, threads=1), predictions.read_oof(study.train, TASK).to_dict("records")
    table = predict_slides(engine, find_inputs([study.mmap]), members=True).table.set_index("slide_id")
    columns = [[f"prob_{name}_fold{row['fold']}" for name in CLASSES] for row in rows]
    stored = np.array([[row[f"prob_{name}"] for name in CLASSES] for row in rows])
    predicted = np.array([table.loc[row["slide_id"], own] for row, own in zip(rows, columns, strict=True)], np.float64)
    served = []
    with TestClient(create_app(Models.of(engine), ServeSettings()), base_url="http://127.0.0.1") as client:
        for slide in find_inputs([study.mmap])[:3]:
            request = slide.read()
            arrays = {"features": request.array, "coords": request.coords}
            files = {name: as_npy(array) for name, array in arrays.items() if array is not None}
            answer = client.post(f"/predict?slide_id={slide.name}", files=files).json()
            mean = table.loc[slide.name, [f"prob_{name}" for name in CLASSES]].to_numpy(np.float64)
            served.append(np.abs(list(answer["probabilities"].values()) - mean).max())
    return float(max(np.abs(predicted - stored).max(), *served))


def as_npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("name", list(READERS) if ALL else ["transformer"])
def test_a_model_that_reads_coordinates_is_shipped_with_them(tmp_path, name):
    study = write_study(tmp_path, READERS[name], coords=True)
    facts = export(study, tmp_path / "out")
    assert facts.contract.coords == "required"
    inputs = ort.InferenceSession(str(tmp_path / "out" / bundle.ONNX)).get_inputs()
    assert [(one.name, one.type) for one in inputs] == [("features", "tensor(float)"), ("coords", "tensor(float)")]
    assert recomputed(study, tmp_path / "out", coords=True) < 1e-5
    assert answered(study, tmp_path / "out") < 1e-5
    stored = facts.parity.stored
    assert (stored.rows, stored.total, stored.elsewhere, set(stored.differences)) == (
        60,
        60,
        0,
        {"onnx", "torchscript"},
    )
    assert max(stored.differences.values()) < 1e-5


@pytest.mark.skipif(not ALL, reason="run by `nox -s bundles`")
def test_a_reader_of_coordinates_without_any_is_shipped_as_it_was_evaluated(tmp_path):
    study = write_study(tmp_path, READERS["perceiver"])
    assert export(study, tmp_path / "out").contract.coords == "unused"
    assert recomputed(study, tmp_path / "out", coords=False) < 1e-5


@pytest.mark.parametrize("name", ["dtfd", *OTHERS])
def test_a_model_that_reads_no_coordinates_is_shipped_as_it_was_evaluated(tmp_path, name):
    study = write_study(tmp_path, small(name))
    export(study, tmp_path / "out")
    assert recomputed(study, tmp_path / "out", coords=False) < 1e-5
    assert answered(study, tmp_path / "out") < 1e-5


@pytest.mark.parametrize("form", ["onnx", "torchscript"] if ALL else ["onnx"])
def test_a_file_that_passes_over_coordinates_is_not_shipped(tmp_path, monkeypatch, form):
    """The fault that was: the export gave no coordinates to the model, and was compared with itself."""
    study = write_study(tmp_path, READERS["perceiver"], coords=True)
    if form == "onnx":
        monkeypatch.setattr(model_files, "to_torchscript", lambda *_, **__: pytest.fail("onnx is compared first"))
        settings = ExportSettings(formats=("onnx",), parity_patches=(3,))
    else:
        settings = ExportSettings(parity_patches=(3,))
    real = getattr(model_files, f"to_{form}")

    def blind(module, *how, **more):
        forward = type(module).forward
        monkeypatch.setattr(type(module), "forward", lambda self, h, coords: forward(self, h, None))
        try:
            return real(module, *how, **more)
        finally:
            monkeypatch.setattr(type(module), "forward", forward)

    monkeypatch.setattr(model_files, f"to_{form}", blind)
    with pytest.raises(StageError, match=f"{form} differs from the evaluated predictions|cannot be exported"):
        export(study, tmp_path / "out", settings)
    assert not (tmp_path / "out" / bundle.FACTS).exists()


def with_stored(study: Study, to: Path, move: float) -> Study:
    """The study with one stored test probability moved."""
    shutil.copytree(study.train, to)
    oof = predictions.read_oof(to, TASK)
    moves = np.where(np.arange(len(oof)) == oof["prob_R"].sub(0.5).abs().argmin(), move, 0.0)
    oof["prob_R"] += moves
    oof["prob_NR"] -= moves
    predictions.write_predictions(oof, to / "oof_predictions.parquet", TASK)
    return Study(to, study.mmap, study.eval, study.classifiers)


@pytest.fixture
def exported_before(exported_onnx, monkeypatch) -> None:
    monkeypatch.setattr(model_files, "to_onnx", lambda *_, **__: exported_onnx)


@pytest.fixture(scope="module")
def exported_onnx(study, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("once")
    export(study, out, ExportSettings(formats=("onnx",), parity_patches=(3,)))
    return (out / bundle.ONNX).read_bytes()


def test_predictions_of_another_device_are_named_with_their_distance(study, tmp_path, exported_before):
    moved = with_stored(study, tmp_path / "train", 4e-4)
    work.run(ExportSettings(formats=("onnx",), parity_patches=(3,)), moved.inputs(), tmp_path, Quiet())
    stored = bundle.read_facts(tmp_path).parity.stored
    assert stored.elsewhere == 1
    assert stored.elsewhere_difference == pytest.approx(4e-4, abs=1e-6)
    assert stored.differences["onnx"] < 1e-5
    assert "1 of them were originally computed on another device" in (tmp_path / bundle.CARD).read_text()


def test_predictions_that_the_checkpoints_do_not_give_stop_the_export(study, tmp_path, exported_before):
    moved = with_stored(study, tmp_path / "train", 4e-3)
    with pytest.raises(StageError, match="checkpoints do not reproduce the stored test predictions"):
        work.run(ExportSettings(formats=("onnx",), parity_patches=(3,)), moved.inputs(), tmp_path, Quiet())
    assert not (tmp_path / bundle.FACTS).exists()


def test_a_file_that_differs_where_torch_agrees_is_never_another_device(study, tmp_path, monkeypatch):

    def biased(module, *how, **more):
        with torch.no_grad():
            module.members[1].head.bias[0] += 2e-3
            content = to_onnx(module, *how, **more)
            module.members[1].head.bias[0] -= 2e-3
        return content

    monkeypatch.setattr(model_files, "to_onnx", biased)
    with pytest.raises(StageError, match="fold 1: onnx differs from the evaluated predictions"):
        work.run(ExportSettings(formats=("onnx",), parity_patches=(3,)), study.inputs(), tmp_path, Quiet())


def test_rows_of_large_cohorts_are_spread_over_folds_and_lengths(make_store):
    rng = np.random.default_rng(0)
    lengths = rng.permutation(np.arange(1, 301))
    names = [f"s{i:03d}" for i in range(300)]
    store = make_store({name: np.ones((int(n), 2)) for name, n in zip(names, lengths, strict=True)})
    rows = pd.DataFrame({"slide_id": names, "fold": np.arange(300) % 3})
    chosen = choose_rows(rows, store, 60, seed=1)
    assert chosen["fold"].value_counts().tolist() == [20, 20, 20]
    assert chosen["slide_id"].is_unique
    shown = sorted(store.length(store.number(name)) for name in chosen["slide_id"])
    assert max(np.diff([0, *shown, 301])) < 25
    assert chosen.equals(choose_rows(rows, store, 60, seed=1))
    assert not chosen.equals(choose_rows(rows, store, 60, seed=2))
    assert choose_rows(rows, store, 300, seed=1).equals(rows)
    small = rows[(rows["fold"] != 0) | (rows.groupby("fold").cumcount() < 7)]
    for seed in range(5):
        chosen = choose_rows(small, store, 60, seed)
        assert chosen["slide_id"].is_unique and set(small.loc[small["fold"] == 0, "slide_id"]) < set(chosen["slide_id"])


def test_fifty_slides_are_the_least():
    with pytest.raises(ValueError, match="50"):
        ExportSettings(parity_slides=49)


REPLAYED = ExportSettings(tolerance=1e-4)


def replayed(study: Study, shifts: dict[str, float], settings: ExportSettings = REPLAYED) -> Any:
    """A replay with files whose logits of the second class differ from the checkpoints by these shifts."""
    ensemble = Ensemble(study.classifiers, [1.0, 1.0])

    def shifted(shift: float) -> Runner:
        def run(features: np.ndarray, coords: np.ndarray | None) -> list[np.ndarray]:
            probabilities, attention, logits = torch_runner(ensemble)(features, coords)
            return [probabilities, attention, logits + np.array([0.0, shift], np.float32)]

        return run

    stored = EvaluatedPredictions(study.train, Store(study.mmap), OBJECTIVE, coords=False)
    runners: dict[Any, Runner] = {form: shifted(shift) for form, shift in shifts.items()}
    return replay(stored, runners, settings)


def test_the_largest_difference_of_each_file_is_reported(study):
    found = replayed(study, {"onnx": 0.0, "torchscript": 2e-4})
    assert (found.rows, found.total, found.elsewhere, found.elsewhere_difference) == (60, 60, 0, 0.0)
    assert found.differences["onnx"] < 1e-6
    assert found.differences["torchscript"] == pytest.approx(5e-5, rel=0.1)  # p (1 - p) 2e-4
    assert list(found.differences) == ["onnx", "torchscript"]


def test_a_row_that_one_file_does_not_give_is_computed_again(study, tmp_path):
    """Only the first file differs by more than the tolerance from a row of another device."""
    moved = with_stored(study, tmp_path / "train", 1.2e-4)
    found = replayed(moved, {"onnx": 0.0, "torchscript": 1.6e-4})  # the second one is 4e-5 nearer
    assert found.elsewhere == 1 and found.elsewhere_difference == pytest.approx(1.2e-4, abs=1e-6)


@pytest.mark.parametrize(("move", "is_accepted"), [(9e-4, True), (1.2e-3, False)])
def test_another_device_differs_by_at_most_a_thousandth(study, tmp_path, move, is_accepted):
    moved = with_stored(study, tmp_path / "train", move)
    if is_accepted:
        assert replayed(moved, {"onnx": 0.0}).elsewhere_difference == pytest.approx(move, abs=1e-6)
        return
    with pytest.raises(StageError, match=r"at most 0\.001, got 0\.0012"):
        replayed(moved, {"onnx": 0.0})


def test_the_worst_row_of_the_worst_file_is_named_with_the_number_of_all(study):
    with pytest.raises(StageError) as caught:
        replayed(study, {"onnx": 0.0, "torchscript": 4e-3})
    assert caught.value.what == "torchscript differs from the evaluated predictions"
    assert str(caught.value.got).endswith(" of 60 slides exceed the tolerance")
    assert str(caught.value.got).startswith("0.001; ") or str(caught.value.got).startswith("0.000")
    assert ", fold " in str(caught.value.where)


def test_a_probability_that_is_not_finite_is_never_published(study):
    with pytest.raises(StageError, match=r"onnx differs from the evaluated predictions.*got inf; 60 of 60 slides"):
        replayed(study, {"onnx": float("nan")})
