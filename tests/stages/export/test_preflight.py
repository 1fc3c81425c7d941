"""What prevents an export is reported before any work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from oceanpath.pipeline.stage import ParentSources
from oceanpath.stages.export import preflight as module
from oceanpath.stages.export.preflight import preflight
from oceanpath.stages.export.settings import ExportSettings


def problems(parents: set[str], **settings: Any) -> list[str]:
    sources = ParentSources(names=frozenset(parents))
    return [str(problem) for problem in preflight(ExportSettings.model_validate(settings), sources).problems]


@pytest.mark.parametrize("parents", [{"train", "mmap"}, {"pretrain", "train"}, {"pretrain"}])
def test_trained_models_and_one_pretrained_aggregator_are_exported(parents: set[str]) -> None:
    rows = "fold_train" if "train" in parents else "manifest"
    assert problems(parents, rows=rows, task="classification") == []


def test_pretrained_aggregators_of_folds_are_not_one() -> None:
    (problem,) = problems({"pretrain"}, rows="fold_train", task="classification")
    assert "one pretrained aggregator per fold" in problem


def test_models_of_a_task_without_an_export_are_refused_and_pretrained_aggregators_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "task_entry", lambda _: SimpleNamespace(is_exportable=False))
    (problem,) = problems({"train", "mmap"}, task="dose")
    assert "models of this task cannot be exported" in problem and "dose" in problem
    assert problems({"pretrain"}, task="dose") == []
