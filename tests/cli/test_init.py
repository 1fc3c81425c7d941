"""`oceanpath init` writes an experiment file that runs, or states what is missing."""

from __future__ import annotations

import json
import tomllib

from oceanpath.cli.app import run_app

from ..conftest import Cohort


def test_it_writes_a_valid_experiment_and_its_schema(cohort: Cohort, monkeypatch, capsys) -> None:
    monkeypatch.chdir(cohort.folder)
    assert run_app(["init", "features", "cohort.csv", "--yes"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["oceanpath.toml: written; it is valid", "next: oceanpath run"]
    assert "16 of 16 slides of the table have features" in printed.err
    assert "HDF5 features [N, 8] float16, coords [N, 2] int32" in printed.err
    written = tomllib.loads((cohort.folder / "oceanpath.toml").read_text())
    assert written["data"]["classes"] == ["NR", "R"]
    assert written["split"] == {"folds": 4}
    assert "properties" in json.loads((cohort.folder / "oceanpath.schema.json").read_text())
    assert run_app(["config", "validate", "oceanpath.toml"]) == 0
    assert run_app(["init", "features", "cohort.csv"]) == 2
    assert "--force" in capsys.readouterr().err


def test_what_is_missing_is_printed_with_its_remedy(cohort: Cohort, monkeypatch, capsys) -> None:
    cohort.write_table(rows=[*cohort.rows[1:], "slide_99,p9,R"])
    monkeypatch.chdir(cohort.folder)
    assert run_app(["init", ".", "--out", "mine.toml", "--json"]) == 2
    record = json.loads(capsys.readouterr().out)
    (problem,) = record["missing"]
    assert "slide_99" in problem and "slide_00" in problem and "data.allow_missing" in problem
    assert record["next"] == "oceanpath config validate mine.toml"
    assert (
        run_app(
            [
                "init",
                ".",
                "--out",
                "mine.toml",
                "--force",
                "--allow-missing",
                "--yes",
                "--set",
                "data.classes=['R', 'NR']",
            ]
        )
        == 0
    )
    assert 'classes = ["R", "NR"]\n' in (cohort.folder / "mine.toml").read_text()
    assert "next: oceanpath run mine.toml" in capsys.readouterr().out


def test_wrong_arguments_are_reported(cohort: Cohort, capsys) -> None:
    assert run_app(["init", str(cohort.folder / "nowhere")]) == 2
    assert run_app(["init", str(cohort.folder), str(cohort.folder / "features"), "--out", "x.toml"]) == 2
    printed = capsys.readouterr().err
    assert "there is no such file or folder" in printed
    assert "too many arguments; expected one folder and one table" in printed
