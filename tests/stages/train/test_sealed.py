"""A sealed test: no test slide is predicted before the reveal, which uses the models that were trained before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oceanpath.artifacts import predictions
from oceanpath.artifacts.analysis_plan import FILE, read_plan
from oceanpath.artifacts.folds import read_fold
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.dataset import BagDataset
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.pipeline.stage import Inputs, ParentSources, Quiet
from oceanpath.stages.eval.preflight import preflight
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.eval.work import check as check_eval
from oceanpath.stages.eval.work import run as run_eval
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stages.train.work import parts, run, run_part

from .test_work import TASK, contents

OPEN = TrainSettings(model={"name": "abmil", "hidden": 8, "attention": 4}, epochs=2, lr=1e-2, batch_size=4)
SEALED = OPEN.model_copy(update={"sealed": True})
REVEALED = OPEN.model_copy(update={"sealed": "revealed"})


@pytest.fixture
def read_slides(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of all slides whose bags are trained on or predicted."""
    numbers: list[int] = []
    create = BagDataset.__init__

    def counted(self: BagDataset, store: Any, rows: Any, *more: Any, **options: Any) -> None:
        numbers.extend(rows)
        create(self, store, rows, *more, **options)

    monkeypatch.setattr(BagDataset, "__init__", counted)
    return numbers


def train(settings: TrainSettings, inputs: Inputs, root: Path, folds: dict[str, Path] | None = None) -> Path:
    """The published folder of one fold; `folds` are parts that were trained before."""
    (part, *_) = parts(settings, inputs)
    if folds is None:
        folds = {part.key: root / part.key}
        folds[part.key].mkdir(parents=True)
        run_part(settings, inputs, part, folds[part.key], Quiet())
    (root / "run").mkdir(parents=True)
    run(settings, replace(inputs, parts=folds), root / "run", Quiet())
    return root / "run"


def test_no_test_slide_is_predicted_before_the_reveal(inputs: Inputs, tmp_path: Path, read_slides: list[int]) -> None:
    frame, store = read_fold(inputs["split"], 0), Store(inputs["mmap"])
    tested = {store.number(name) for name in frame.loc[frame["role"] == "test", "slide_id"]}
    sealed = train(SEALED, inputs, tmp_path / "sealed")
    assert read_slides and not tested & set(read_slides)
    assert predictions.read_predictions(sealed / "oof_predictions.parquet", TASK).empty
    with pytest.raises(ExperimentError, match="sealed"):
        predictions.read_oof(sealed, TASK)
    before = contents(tmp_path / "sealed" / "fold_0")
    read_slides.clear()
    revealed = train(REVEALED, inputs, tmp_path / "revealed", {"fold_0": tmp_path / "sealed" / "fold_0"})
    assert set(read_slides) == tested
    assert contents(tmp_path / "sealed" / "fold_0") == before
    opened = train(OPEN, inputs, tmp_path / "open")
    names = ("oof_predictions.parquet", "cv_results.json", "fold_0/best.ckpt", "fold_0/preds_test.parquet")
    assert {name: (revealed / name).read_bytes() for name in names} == {n: (opened / n).read_bytes() for n in names}
    assert predictions.check_fold(revealed / "fold_0", 0, TASK)["slide_id"].tolist()


def test_a_reveal_uses_the_models_of_the_sealed_test(inputs: Inputs) -> None:
    sealed, revealed, opened = (parts(each, inputs)[0].identity for each in (SEALED, REVEALED, OPEN))
    assert sealed == revealed != opened
    assert "sealed" not in opened["settings"]


def test_a_sealed_evaluation_records_its_plan_alone(inputs: Inputs, tmp_path: Path) -> None:
    digests = set()
    changes: list[dict[str, Any]] = [{}, {"resamples": 300}, {"margin": 0.02}, {"subgroups": ("sex",)}]
    for number, changed in enumerate(changes):
        out = tmp_path / str(number)
        out.mkdir()
        run_eval(EvalSettings(sealed=True, **changed), Inputs({"split": inputs["split"]}), out, Quiet())
        check_eval(out)
        assert [path.name for path in out.iterdir()] == [FILE]
        found = read_plan(out)
        assert found["plan"]["main_metric"] == "auroc" and "mean_pool_lr" in found["plan"]["comparisons"]
        digests.add(found["sha256"])
    assert len(digests) == 4
    text = (tmp_path / "0" / FILE).read_text()
    (tmp_path / "0" / FILE).write_text(text.replace("2000", "2001"))
    with pytest.raises(ArtifactError, match="does not have its digest"):
        check_eval(tmp_path / "0")


@pytest.mark.parametrize(
    ("scheme", "sealed", "count"),
    [
        ("kfold", True, 1),
        ("mccv", "revealed", 1),
        ("nested", True, 1),
        ("kfold", False, 0),
        ("holdout", True, 0),
    ],
)
def test_a_cross_validation_cannot_be_sealed(scheme: str, sealed: Any, count: int) -> None:
    problems = preflight(EvalSettings(scheme=scheme, sealed=sealed), ParentSources()).problems
    assert len(problems) == count
    assert all("split.scheme" in problem.render() for problem in problems)
