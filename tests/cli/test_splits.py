"""`oceanpath splits export`: files of other tools that give the same folds again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from oceanpath.artifacts.folds import write_folds
from oceanpath.artifacts.split_files.formats import read_split_file
from oceanpath.cli.app import run_app


@pytest.fixture
def folds(tmp_path: Path) -> Path:
    names = [f"s{i}" for i in range(6)]
    frame = pd.DataFrame({"slide_id": names, "patient_id": names, "label": "a"})
    frames = [frame.assign(role=[*roles]) for roles in (["test", "test", "val", "train", "train", "train"],) * 2]
    folder = tmp_path / "split"
    folder.mkdir()
    plan = [{"repeat": k, "ensemble": k, "name": ""} for k in range(2)]
    write_folds(folder, frames, {"scheme": "mccv", "classes": ["a"], "plan": plan})
    return folder


@pytest.mark.parametrize("form", ["clam", "patho-bench"])
def test_the_files_hold_the_roles_of_every_fold(
    folds: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run_app(["splits", "export", str(folds), "--format", form, "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("2 folds -> ")
    found = read_split_file(out if form == "clam" else out / "k=all.tsv")
    assert sorted((row.fold, row.name, row.role) for row in found.rows if row.role != "train") == [
        (fold, name, role) for fold in "01" for name, role in (("s0", "test"), ("s1", "test"), ("s2", "val"))
    ]
    assert len(found.rows) == 12


def test_a_folder_without_folds_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["splits", "export", str(tmp_path), "--out", str(tmp_path / "out")]) == 4
    assert "splits.json" in capsys.readouterr().err
