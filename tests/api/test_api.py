"""The Python interface: examples of its docstrings, results in notebooks, errors."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest

import oceanpath as op
from oceanpath.errors import ArtifactError, ExperimentError

from ..conftest import ROOT, Cohort

MODULES = ("aggregators", "evaluation", "experiments", "feature_files", "history")
"""The examples of `prediction` need a bundle: tests/serving/test_python_interface.py."""


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_docstrings(name, cohort: Cohort, monkeypatch) -> None:
    """They run in a folder with features, a table and mine.toml."""
    (cohort.folder / "mine.toml").write_text(cohort.toml)
    monkeypatch.chdir(cohort.folder)
    failed, tried = doctest.testmod(importlib.import_module(f"oceanpath.api.{name}"))
    assert tried >= 3 and not failed


def test_the_examples_of_the_page(cohort: Cohort, monkeypatch) -> None:
    (cohort.folder / "mine.toml").write_text(cohort.toml)
    monkeypatch.chdir(cohort.folder)
    failed, tried = doctest.testfile(str(ROOT / "docs" / "python.md"), module_relative=False)
    assert tried >= 10 and not failed


def test_every_public_name_has_a_docstring_and_is_listed() -> None:
    for name in op.__all__:
        assert getattr(op, name).__doc__, name
        assert name in dir(op)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(op, "nothing")  # noqa: B009  # only the attribute's error matters


def test_runs_are_shown_as_tables(cohort: Cohort) -> None:
    (cohort.folder / "mine.toml").write_text(cohort.toml)
    lines: list[str] = []
    experiment = op.Experiment(cohort.folder / "mine.toml", workspace=cohort.folder / "out")
    results = op.run(experiment, notify=lines.append)
    assert lines == ["mmap: first run", "mmap: ok", "split: first run", "split: ok"]
    assert results.table()["state"].tolist() == ["ok", "ok"]
    assert results.metrics("split")["slides"] == 16
    assert "<td>mmap</td>" in results._repr_html_() and "<td>split</td>" in experiment._repr_html_()
    assert "<td>mine</td>" in op.Ledger(cohort.folder / "out")._repr_html_()
    assert op.Ledger(cohort.folder / "out").steps("split")["step"].tolist() == ["split"]
    with pytest.raises(ExperimentError, match="no such step"):
        results.folder("train")
    with pytest.raises(ExperimentError, match="nothing was run"):
        op.Ledger(cohort.folder / "other")


def test_a_failure_is_the_error_of_the_step(cohort: Cohort) -> None:
    (cohort.folder / "mine.toml").write_text(cohort.toml)
    cohort.file().write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match="slide_03"):
        op.run(cohort.folder / "mine.toml", workspace=cohort.folder / "out")
    with pytest.raises(ExperimentError, match="folds"):
        op.Experiment(cohort.folder / "mine.toml", {"split.fold": 3})
    cohort.write_table(rows=cohort.rows[1:])
    assert "do not match" in op.Experiment(cohort.folder / "mine.toml", workspace=cohort.folder / "x").problems()[0]


def test_metrics_state_their_order_and_what_is_undefined() -> None:
    names = ["b", "a", "b", "a", "a", "b"]
    values = np.array([0.9, 0.2, 0.8, 0.3, 0.6, 0.4])
    result = op.metrics(names, np.stack([1 - values, values], axis=1), classes=["a", "b"], resamples=100)
    assert result["auroc"].value == op.metrics([1, 0, 1, 0, 0, 1], values, resamples=100)["auroc"].value
    assert list(result.table().columns) == ["value", "low", "high", "n", "patients", "reason"]
    assert "<td>auroc</td>" in result._repr_html_() and repr(result).startswith("Metrics(auroc 0.889")
    with pytest.raises(ExperimentError, match="order is unknown"):
        op.metrics(names, values)
    with pytest.raises(ExperimentError, match=r"lengths differ; .*6 labels, 5 predictions"):
        op.metrics([1, 0, 1, 0, 0, 1], values[:5])
    with pytest.raises(ExperimentError, match=r"expected \[n, 2\], got \[6, 3\]"):
        op.metrics([1, 0, 1, 0, 0, 1], np.ones((6, 3)))


def test_a_comparison_is_paired_and_needs_the_same_slides() -> None:
    random = np.random.default_rng(1)
    labels, patients = random.integers(0, 2, 60), [f"p{i // 2}" for i in range(60)]
    scores = np.clip(labels * 0.3 + random.random(60) * 0.7, 0, 1)
    one = op.metrics(labels, scores, patients, resamples=200)
    two = op.metrics(labels, random.random(60), patients, resamples=200)
    result = op.compare(one, two, resamples=200)
    assert result.differences["auroc"].verdict == "better"
    assert op.compare(one, one, resamples=200).differences["auroc"].value == 0
    assert result.tests and all("p" in test for test in result.tests.values())
    assert "p" in result.table().columns and "First minus second" in result._repr_html_()
    with pytest.raises(ExperimentError, match="different patients"):
        op.compare(one, op.metrics(labels, scores, resamples=100))
