"""One model of all patients for every task, and the same one after its training was killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts import predictions
from oceanpath.artifacts.bundle.folder import read_bundle
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.artifacts.folds import write_folds
from oceanpath.artifacts.metrics import write_metrics
from oceanpath.artifacts.store.reader import Store
from oceanpath.evaluation.report import build_report
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.predict import predict
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.serving.value_engine import ValueEngine
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.work import run as export
from oceanpath.stages.train.refit import check, choose_epochs, run
from oceanpath.stages.train.settings import RefitSettings, TrainSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.registry import make_task

from ...conftest import write_store
from .test_work import contents, whole

SLIDES, DIM = 24, 4
SURVIVAL = {"time": "t", "event": "e", "event_value": "1", "time_unit": "months", "horizons": (5.0, 12.0)}
CASES: dict[str, dict[str, Any]] = {"survival": SURVIVAL, "regression": {}, "multilabel": {"targets": ("a", "b")}}


class Refit(NamedTuple):
    """The inputs of a refit, its settings and what it published."""

    task: Task
    settings: RefitSettings
    inputs: Inputs
    out: Path


def label(task: str, signal: float, number: int) -> str:
    if task == "multilabel":
        return f"{int(signal > 0)};{'?' if number == 7 else number // 3 % 2}"
    time = 10 + 4 * signal + number / 100
    return f"{time:.2f}" + ("+" if task == "survival" and number % 4 == 0 else "")


def write_cohort(root: Path, task: Task) -> Inputs:
    """Slides whose mean of the first feature determines the label; two folds."""
    rng = np.random.default_rng(1)
    signals = np.where(np.arange(SLIDES) // 2 % 2 == 0, 1.0, -1.0) + 0.2 * rng.standard_normal(SLIDES)
    names = [f"s{number:02d}" for number in range(SLIDES)]
    bags = {
        name: rng.normal(size=(3, DIM)) * 0.2 + np.eye(DIM)[0] * own for name, own in zip(names, signals, strict=True)
    }
    write_store(root / "store", bags)
    labels = [label(task.name, signal, number) for number, signal in enumerate(signals)]
    table = pd.DataFrame({"slide_id": names, "patient_id": names, "label": labels})
    numbers = np.arange(SLIDES)
    roles = [np.where(numbers % 2 == k, "test", np.where(numbers % 12 < 5, "val", "train")) for k in range(2)]
    (root / "split").mkdir()
    facts = {"scheme": "kfold", "seed": 0, "slides": SLIDES, "patients": SLIDES, "excluded": [], "balance": {}}
    write_folds(root / "split", [table.assign(role=role) for role in roles], task.record() | facts)
    return Inputs({"mmap": root / "store", "split": root / "split"}, {"mmap": "store", "split": "unused"})


@pytest.fixture(scope="module", params=CASES)
def refitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refit]:
    root, task = tmp_path_factory.mktemp(request.param), make_task(request.param, CASES[request.param])
    keys = {"task": task.name, "model": {"name": "linear"}, "epochs": 3, "lr": 0.05, "batch_size": 6, "final": "refit"}
    settings = RefitSettings(train=TrainSettings.model_validate(keys | {"checkpoint_seconds": 0.0}))
    inputs = write_cohort(root, task)
    train = whole(settings.train, inputs, root / "train")
    inputs = Inputs({**inputs.parents, "train": train}, inputs.digests)
    (root / "out").mkdir()
    run(settings, inputs, root / "out", Quiet())
    yield Refit(task, settings, inputs, root / "out")


class KilledError(Exception):
    """Ends a training as a kill does: nothing after it is executed."""


class Epochs(Quiet):
    """Counts the epochs, and ends the process after `last` of them."""

    def __init__(self, last: int) -> None:
        self.last, self.done = last, 0

    def advance(self, count: int = 1) -> None:
        self.done += count
        if self.done == self.last:
            raise KilledError


def test_the_model_of_all_patients_has_the_scale_and_decisions_of_its_task(refitted: Refit) -> None:
    check(refitted.out)
    results, task = predictions.read_cv_results(refitted.out), refitted.task
    folds = predictions.read_cv_results(refitted.inputs["train"])
    assert results["refit"]["epochs"] == choose_epochs(folds).number and results["refit"]["slides"] == SLIDES
    store, trained = Store(refitted.inputs["mmap"]), load_checkpoint(refitted.out / "fold_0" / "best.ckpt")
    values = trained.objective.values(predict(trained.model, store, range(SLIDES), "cpu").outputs)
    assert np.isfinite(values).all() and values.shape == (SLIDES, len(task.columns)) and values.std(axis=0).all()
    val = predictions.read_predictions(refitted.out / "fold_0" / "preds_val.parquet", task)
    decided = task.decision_facts(task.values(val), task.targets(val["label"].tolist()))
    assert results["per_fold"] == [{"fold": 0, "is_out_of_fold": True, **decided}]


@pytest.mark.parametrize("last", [1, 2])
def test_a_killed_refit_is_resumed_with_the_same_bytes(refitted: Refit, last: int, tmp_path: Path) -> None:
    epochs = predictions.read_cv_results(refitted.out)["refit"]["epochs"]
    last = min(last, epochs)
    with pytest.raises(KilledError):
        run(refitted.settings, refitted.inputs, tmp_path, Epochs(last))
    rest = Epochs(-1)
    run(refitted.settings, refitted.inputs, tmp_path, rest)
    assert rest.done <= epochs - last + 1
    assert contents(tmp_path) == contents(refitted.out)


def test_the_bundle_predicts_the_values_of_the_checkpoint_and_states_that_it_was_not_evaluated(
    refitted: Refit, tmp_path: Path
) -> None:
    rows = read_rows(refitted.inputs["train"], refitted.inputs["split"])
    write_metrics(build_report(EvalSettings(resamples=100), rows, {}), tmp_path)
    (tmp_path / "bundle").mkdir()
    inputs = Inputs({**refitted.inputs.parents, "refit": refitted.out, "eval": tmp_path}, refitted.inputs.digests)
    keys = {"task": refitted.task.name, "final": "refit", "formats": ("onnx",)}
    export(ExportSettings(**keys, parity_patches=(3,), parity_batches=(1,)), inputs, tmp_path / "bundle", Quiet())
    bundle, trained = read_bundle(tmp_path / "bundle"), load_checkpoint(refitted.out / "fold_0" / "best.ckpt")
    facts = bundle.facts
    assert isinstance(facts, ValueFacts) and len(facts.members) == 1
    assert facts.final is not None and facts.final.choice == "refit"
    cutoffs = refitted.task.cutoffs(predictions.read_cv_results(refitted.out)["per_fold"])
    assert [each.value for each in facts.decisions] == [each.value for each in cutoffs]
    for each in facts.decisions:
        assert each.value is not None
        assert each.reason.startswith("determined from inner validation predictions of the models of the folds")
        assert each.reason.endswith("; not evaluated for this model")
    store = Store(refitted.inputs["mmap"])
    expected = trained.objective.values(predict(trained.model, store, [5], "cpu").outputs)[0]
    found = ValueEngine(bundle, 1).predict(store.features(5)).by_column()
    assert list(found.values()) == pytest.approx(expected.tolist(), rel=1e-5, abs=1e-6)
