"""A run with nothing to do prints the same with the recorded plan and without, and loads no heavy library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from oceanpath.cli import run_command
from oceanpath.cli.confirm import UNCONFIRMED, confirm_words, parse_request
from oceanpath.pipeline import recorded_plan


@pytest.fixture(autouse=True)
def old_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_plan, "RACY_NS", -(10**18))


@pytest.mark.parametrize(
    ("words", "file", "workspace", "sets"),
    [
        ("run a.toml", "a.toml", "outputs", ()),
        ("run", None, "outputs", ()),
        ("run --workspace out a.toml --set split.folds=2 --set seed=1", "a.toml", "out", ("split.folds=2", "seed=1")),
    ],
)
def test_plain_runs_are_recognised(
    words: str, file: str | None, workspace: str, sets: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.toml", "oceanpath.toml"):
        (tmp_path / name).write_text("[split]\n")
    request = parse_request(words.split())
    assert request is not None and request.experiment == Path(file or "oceanpath.toml").stem
    common = request.common
    assert (common.experiment, common.workspace, common.sets) == (file and Path(file), Path(workspace), sets)


@pytest.mark.parametrize(
    "words",
    [
        *("eval a.toml", "run a.toml --json", "run a.toml b.toml", "run -e a.toml", "run a.toml --force train"),
        *("run a.toml --workspace", "run a.toml --set", "run a.toml --workspace --json", "run a.toml --workspace=out"),
        *("run a.toml --workspace a --workspace b", "run --help", "run", "run --"),
    ],
)
def test_all_other_commands_are_not(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text("[split]\n")
    assert parse_request(words.split()) is None


def test_the_report_of_a_confirmed_run_is_that_of_a_run(cohort, capsys: pytest.CaptureFixture[str]) -> None:
    (cohort.folder / "oceanpath.toml").write_text(cohort.toml)
    words = ["run", str(cohort.folder / "oceanpath.toml"), "--workspace", str(cohort.folder / "out")]
    plans = cohort.folder / "out" / "plans"
    assert confirm_words(words) == UNCONFIRMED and run_command(words) == 0
    capsys.readouterr()
    (plans / "oceanpath.json").rename(plans / "elsewhere.json")
    assert confirm_words(words) == UNCONFIRMED and run_command(words) == 0
    first = capsys.readouterr()
    assert confirm_words(words) == 0
    second = capsys.readouterr()
    assert "Nothing to do" in first.out and (first.out, first.err) == (second.out, second.err)
    code = f"import sys; from oceanpath import cli; cli.run_command({words}); print(*sys.modules, file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()
    assert not {"pydantic", "typer", "numpy"} & set(loaded)
