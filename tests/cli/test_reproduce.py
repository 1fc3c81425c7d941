"""`oceanpath reproduce`: passes for recorded numbers, fails when one is changed; records match the pages."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from oceanpath.cli import reproduce as module
from oceanpath.cli.reproduce import RECORDS, read_records, reproduce
from oceanpath.errors import ArtifactError, ExperimentError, GateError, StageError

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD = """
[[record]]
name = "{name}"
command = "eval -e {{data}}/mine.toml"
file = "experiments/mine/eval/metrics.json"
key = "{key}"
value = {value}
tolerance = 0.001
"""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; each of them writes an AUROC of 0.9."""
    ran: list[list[str]] = []

    def run(words: list[str], workspace: Path) -> None:
        ran.append(words)
        folder = workspace / "experiments" / "mine" / "eval"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").write_text(
            json.dumps({"level": {"slide": {"auroc": 0.9}}, "folds": [{"auroc": 0.8}]})
        )

    monkeypatch.setattr(module, "run_command", run)
    return ran


def records(folder: Path, **values: float) -> Path:
    keys = {"first": "level.slide.auroc", "second": "folds.0.auroc"}
    texts = [RECORD.format(name=name, key=keys.get(name, "nothing"), value=value) for name, value in values.items()]
    (folder / "records.toml").write_text("".join(texts))
    return folder / "records.toml"


def test_recorded_numbers_are_reproduced_and_each_command_runs_once(tmp_path: Path, commands: list[list[str]]) -> None:
    path = records(tmp_path, first=0.9004, second=0.8)
    assert reproduce(None, path, tmp_path / "a folder", None, every=True) == 0
    assert commands == [["eval", "-e", f"{tmp_path}/a folder/mine.toml"]]


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_changed_number_fails(tmp_path: Path, commands: list[list[str]], name: str) -> None:
    path = records(tmp_path, **{"first": 0.9, "second": 0.8, name: 0.85})
    with pytest.raises(GateError, match=name):
        reproduce(None, path, tmp_path, None, every=True)


def test_without_a_name_records_are_listed_and_nothing_runs(
    tmp_path: Path, commands: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproduce(None, records(tmp_path, first=0.9), None, None) == 0
    assert "first" in capsys.readouterr().out and not commands


def test_errors_name_the_remedy(tmp_path: Path, commands: list[list[str]]) -> None:
    path = records(tmp_path, first=0.9, other=0.9)
    with pytest.raises(ExperimentError, match="no such record"):
        reproduce(["frist"], path, tmp_path, None)
    with pytest.raises(ExperimentError, match="data"):
        reproduce(["first"], path, None, None)
    with pytest.raises(ArtifactError, match="no such number"):
        reproduce(["other"], path, tmp_path, tmp_path / "out")
    path.write_text('[[record]]\nname = "x"\nvalue = 1\n')
    with pytest.raises(ExperimentError, match="missing or unknown"):
        reproduce(["x"], path, tmp_path, None)
    with pytest.raises(ExperimentError, match="no readable file"):
        reproduce(["x"], tmp_path / "none.toml", tmp_path, None)


def test_a_command_that_fails_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StageError, match="failed"):
        module.run_command(["eval", "-e", f"{tmp_path}/none.toml"], tmp_path)
    assert "none.toml" in capsys.readouterr().err


def test_every_record_is_the_number_of_its_page() -> None:
    for record in read_records(ROOT / RECORDS).values():
        page = (ROOT / record.page).read_text(encoding="utf-8")
        texts = {f"{record.value:.3f}", f"{100 * record.value:.0f} %"}
        assert any(text in page for text in texts), record.name
        assert record.tolerance < 0.01 and date.fromisoformat(record.reproduced)
