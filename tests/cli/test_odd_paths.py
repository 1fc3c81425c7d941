"""Folders may have any name: every command reads and writes what lies below them, and nothing beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from oceanpath.cli.app import run_app

from ..conftest import Cohort

NAMES = ["batch #2", "50%41", "what?", "[ab]*{c}", "$HOME $x^2$", 'it\'s "so" & `more`;', "a::b=c,d", "-e", "new\nline"]
WHOLE = """
[data]
features = "features"
labels = "cohort.csv"
patient_id = "case_id"
label = "response"
classes = ["NR $^$", "[R]"]
[mmap]
[split]
folds = 2
val_fraction = 0.3
[model]
name = "static"
[train]
epochs = 2
[eval]
resamples = 100
[export]
"""


class OddCohort(Cohort):
    """Slides and classes of odd names too: they are titles of figures and words on a terminal."""

    @staticmethod
    def names() -> list[str]:
        return [f"{name} #$^$ [b]50%?" for name in Cohort.names()]


@pytest.fixture
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cohort:
    """A cohort of that kind in a folder of that name."""
    kind: type[Cohort] = request.param[0]
    folder: Path = tmp_path / request.param[1]
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    return kind(folder)


@pytest.mark.parametrize("odd", [(Cohort, name) for name in NAMES], indirect=True, ids=NAMES)
def test_every_command_of_the_ledger_finds_its_workspace(odd: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    workspace, file = ["--workspace", str(odd.folder / "out")], str(odd.folder / "oceanpath.toml")
    assert odd.run() == 0
    assert odd.run("--set", "split.folds=3", "--set", "split.val_fraction=0.4") == 0
    for words in (
        ["show"],
        ["list"],
        ["list", "--stage", "split"],
        ["diff", "1", "2"],
        ["why", f"./{file}" if file.startswith("-") else file],
        ["export"],
        ["verify", "--deep"],
        ["prune"],
        ["rebuild"],
        ["show"],
    ):
        assert run_app(["ledger", *words, *workspace]) == 0, (words, capsys.readouterr().err)
    capsys.readouterr()
    assert odd.run("--dry-run") == 0
    assert "split" in capsys.readouterr().out
    assert [path.name for path in odd.folder.parent.iterdir()] == [odd.folder.name]


@pytest.mark.slow
@pytest.mark.parametrize("odd", [(OddCohort, "batch #2 50%41 what? [a]*{b} $x^2$ 'c' & `d`; e::f=g")], indirect=True)
def test_every_stage_writes_and_reads_there(odd: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    odd.toml = WHOLE
    odd.write_table(rows=[row.replace(",R", ",[R]").replace(",NR", ",NR $^$") for row in odd.rows])
    assert odd.run() == 0, capsys.readouterr().err
    workspace, file = ["--workspace", str(odd.folder / "out")], ["-e", str(odd.folder / "oceanpath.toml")]
    features, used = str(odd.folder / "features"), odd.folder / "out" / "experiments" / "oceanpath"
    assert run_app(["coverage", features, str(used / "mmap"), "--out", str(odd.folder / "coverage")]) == 0
    assert run_app(["mmap", "--verify", *file, *workspace]) == 0
    answers = odd.folder / "answers.csv"
    assert run_app(["predict", features, *file, *workspace, "--out", str(answers)]) == 0
    assert answers.read_text().count("\n") == 17
    assert [path.name for path in odd.folder.parent.iterdir()] == [odd.folder.name]
