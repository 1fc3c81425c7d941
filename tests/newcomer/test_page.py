"""The page docs/first-report.md; `nox -s newcomer` repeats it in a new environment on real features."""

from __future__ import annotations

import shlex

import pytest

from oceanpath.cli.app import run_app

from ..conftest import Cohort
from .page import agree, examples, first_difference


def test_the_commands_run_on_another_cohort(cohort: Cohort, monkeypatch) -> None:
    """The step `run` is shortened to the training; the session runs all of it."""
    monkeypatch.chdir(cohort.folder)
    install, *commands, report = [shlex.split(example.command) for example in examples()]
    assert install[:4] == ["python", "-m", "pip", "install"]
    assert [words[:2] for words in commands] == [["oceanpath", verb] for verb in ("init", "config", "run")]
    for words in commands:
        shortened = ["train", "--set", "train.epochs=1", "--set", "split.folds=2"] if words[1] == "run" else words[1:]
        assert run_app(shortened) == 0, words
    assert report == ["oceanpath", "report"]
    assert run_app(report[1:]) == 2  # there is no evaluation yet


@pytest.mark.parametrize(
    ("shown", "printed", "is_same"),
    [
        (["a", "...", "c 0.934"], ["a", "b", "b", "c 0.940"], True),
        (["a", "...", "c 0.934"], ["a", "c 0.970"], False),
        (["a"], ["a", "b"], False),
        (["a", "..."], ["a", "b"], True),
        (["a", "b"], ["a"], False),
        (["958 slides"], ["959 slides"], False),
    ],
)
def test_shown_lines_are_compared_in_order(shown: list[str], printed: list[str], is_same: bool) -> None:
    assert (first_difference(shown, printed) == "") is is_same


def test_numbers_may_differ_a_little_and_texts_may_not() -> None:
    assert agree("AUROC  0.934 (0.906 to 0.953)", "AUROC  0.930 (0.90 to 0.96)")
    assert not agree("AUROC  0.934", "AUPRC  0.934")
