"""`oceanpath report`: which published folders it reads, and where it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oceanpath.cli.report_page import find_steps, page, report
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.ledger import Ledger

from ..reporting.examples import documents


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The published files of an experiment with a variant, whose runs the ledger does not know."""
    for label, content in documents().files.items():
        step, _, name = label.partition("/")
        if name.endswith(".json") and name != "manifest.json":
            for link in (step, f"{step}@wide") if step == "eval" else (step,):
                folder = tmp_path / "experiments" / "mine" / link
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(json.dumps(content))
    Ledger(tmp_path / "ledger.sqlite").close()
    return tmp_path


def test_the_report_of_an_experiment_and_of_its_variant(workspace: Path) -> None:
    assert report("mine", None, workspace) == 0
    assert "<h1>mine</h1>" in (workspace / "reports" / "mine" / "report.html").read_text()
    report("mine@wide", workspace / "wide.html", workspace)
    assert "<h1>mine@wide</h1>" in (workspace / "wide.html").read_text()
    assert find_steps(workspace, "mine@wide") == {
        **find_steps(workspace, "mine"),
        "eval": workspace / "experiments" / "mine" / "eval@wide",
    }


@pytest.mark.parametrize("name", ["other", "mine@narrow", ""])
def test_without_an_evaluation_the_error_names_the_next_command(workspace: Path, name: str) -> None:
    with pytest.raises(ExperimentError, match=r"no evaluation to report|no run has") as caught:
        report(name, None, workspace)
    assert "oceanpath" in caught.value.render()


def test_a_page_of_files_without_manifest_or_run_is_complete(workspace: Path) -> None:
    text = page("mine", find_steps(workspace, "mine"), None)
    assert "The ledger has no run that computed these results." in text
    assert text.rstrip().endswith("</html>")
