"""Which experiment a command is about, and that its results stay together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oceanpath.cli.app import run_app

from ..conftest import Cohort


@pytest.fixture
def ran(cohort: Cohort, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cohort:
    """An experiment of two stages, run from a folder that has no oceanpath.toml."""
    (cohort.folder / "mine.toml").write_text(cohort.toml)
    (cohort.folder / "elsewhere").mkdir()
    monkeypatch.chdir(cohort.folder / "elsewhere")
    assert run_app(["run", "../mine.toml"]) == 0
    capsys.readouterr()
    return cohort


def links(folder: Path = Path("outputs/experiments/mine")) -> dict[str, str]:
    return {path.name: path.resolve().name for path in folder.iterdir()}


def test_without_a_name_it_is_the_experiment_last_run_here(ran: Cohort, capsys) -> None:
    assert run_app(["split"]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[0] == f"experiment: {ran.folder / 'mine.toml'} (last run in outputs)"
    assert "Nothing to do" in said.out
    assert run_app(["split", "--workspace", "another"]) == 2
    assert "none was run in this workspace" in capsys.readouterr().err
    for words in (["config", "show"], ["config", "validate"], ["ledger", "why"], ["mmap", "--verify"]):
        assert run_app(words) == 0, words
        assert "last run in outputs" in capsys.readouterr().err


def test_a_file_in_the_folder_comes_before_it(ran: Cohort, capsys) -> None:
    Path("oceanpath.toml").write_text('name = "local"\n[data]\nfeatures = "../features"\n[curate]\n')
    assert run_app(["curate", "--dry-run"]) == 0
    assert capsys.readouterr().err.splitlines()[0] == "experiment: oceanpath.toml (in this folder)"


def test_runs_without_a_file_are_passed_over(ran: Cohort, capsys) -> None:
    assert run_app(["curate", "--features", "../features"]) == 0
    capsys.readouterr()
    assert run_app(["split"]) == 0
    assert "mine.toml (last run in outputs)" in capsys.readouterr().err


def test_a_file_that_is_gone_is_named(ran: Cohort, capsys) -> None:
    (ran.folder / "mine.toml").unlink()
    assert run_app(["split"]) == 2
    said = capsys.readouterr().err
    assert "mine.toml" in said and "does not exist" in said


def test_in_the_source_tree_the_first_command_is_that_of_the_readme(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "quickstart.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert run_app(["eval"]) == 2
    assert "`oceanpath run experiments/quickstart.toml`" in capsys.readouterr().err
    assert not list(tmp_path.glob("outputs"))


def test_curate_lists_a_folder_without_an_experiment(ran: Cohort, capsys) -> None:
    """Every file of it, whatever its source and size."""
    assert run_app(["curate", "--features", "../features", "--workspace", "ws"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("without an experiment file: builtin_rules = true, min_patches = 1, sources = ")
    manifest = Path("ws/experiments/curate/curate/pretrain_manifest.csv").read_text()
    assert len(manifest.splitlines()) == 1 + 16
    assert run_app(["curate", "--features", "../features", "--workspace", "ws", "--min-patches", "21"]) == 2
    assert "curate.min_patches = 21" in capsys.readouterr().err
    assert run_app(["curate", "--workspace", "nothing"]) == 2
    assert "no experiment" in capsys.readouterr().err


def test_a_changed_stage_removes_the_links_of_what_was_made_from_the_old_one(ran: Cohort, capsys) -> None:
    before = links()
    assert set(before) == {"mmap", "split"}
    assert run_app(["mmap", "--set", "mmap.dtype=float32"]) == 0
    said = capsys.readouterr().err
    assert "removed the links to split" in said
    assert set(links()) == {"mmap"}
    assert links()["mmap"] != before["mmap"]
    command = said.rpartition("`oceanpath ")[2].partition("`")[0]
    assert run_app(command.split()) == 0
    assert set(links()) == set(before)
    assert run_app(["run"]) == 0, "back to the file: everything is in the workspace still"
    assert links() == before
    assert "removed" not in capsys.readouterr().err


def test_a_parent_with_equal_output_keeps_what_was_made_from_it(ran: Cohort, capsys) -> None:
    """Chunk files of another size hold the same bags."""
    before = links()
    assert run_app(["mmap", "--set", "mmap.chunk_gb=1"]) == 0
    assert links()["mmap"] != before["mmap"]
    assert links()["split"] == before["split"]
    assert "removed" not in capsys.readouterr().err


def test_links_of_variants_that_are_gone_are_removed(ran: Cohort, capsys) -> None:
    file = ran.folder / "mine.toml"
    text = file.read_text()
    file.write_text(text + '[[variant]]\nname = "wide"\nmmap.dtype = "float32"\n')
    assert run_app(["run"]) == 0
    assert set(links()) == {"mmap", "split", "mmap@wide", "split@wide"}
    file.write_text(text)
    capsys.readouterr()
    assert run_app(["mmap"]) == 0, "split@wide was made from mmap@wide"
    assert set(links()) == {"mmap", "split"}
    assert "removed" not in capsys.readouterr().err


def test_machines_are_told_too(ran: Cohort, capsys) -> None:
    assert run_app(["mmap", "--set", "mmap.dtype=float32", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == {"event": "unlinked", "steps": ["split"]}


def test_quiet_prints_nothing(ran: Cohort, capsys) -> None:
    for words in (["run"], ["mmap", "--set", "mmap.dtype=float32"], ["run", "--set", "seed=1"]):
        assert run_app([*words, "--quiet"]) == 0
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", "")
    assert run_app(["run", "--quiet", "--set", "split.folds=-1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run_app(["run", "--quiet", "--dry-run"]) == 0
    assert "fresh" in capsys.readouterr().out
