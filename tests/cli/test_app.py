"""The command line answers at once, says what is wrong in a line, and leaves with the right code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli

from oceanpath.cli import HELP
from oceanpath.cli.app import render_help, run_app
from oceanpath.stages.catalog import CATALOG

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.toml"))


def seconds(*command: str) -> float:
    """The fastest of several starts: what the command takes when nothing else does."""
    taken = []
    for _ in range(25):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return min(taken)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("import oceanpath", 1.5),
        ("import sys; sys.argv = ['oceanpath', '--help']; from oceanpath.cli import main; main()", 2.0),
    ],
)
def test_importing_and_help_are_hardly_slower_than_bare_python(code: str, limit: float) -> None:
    ratio = seconds(sys.executable, "-c", code) / seconds(sys.executable, "-c", "pass")
    print(f"{code}: {ratio:.2f} times bare Python")
    assert ratio <= limit


def test_the_kept_help_page_is_the_real_one() -> None:
    assert Path(HELP).read_text() == render_help(), "python docs/generate.py"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "EXPERIMENT", "--dry-run"], ["ledger", "list"]])
def test_these_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    words = [str(ROOT / "experiments" / "quickstart.toml") if word == "EXPERIMENT" else word for word in arguments]
    code = (
        "import sys\n"
        "from oceanpath.cli.app import run_app\n"
        "run_app(sys.argv[1:])\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'sklearn', 'lightning', 'ssl'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code, *words], check=True, cwd=tmp_path, capture_output=True)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_told_in_a_line(unbuffered: str, tmp_path: Path) -> None:
    """/dev/full refuses every write, as a file on a full disk does."""
    command = [sys.executable, "-c", "from oceanpath.cli import main; main()", "models", "list"]
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        said = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    assert said.returncode == 3
    assert said.stderr.count("\n") == 1
    assert "No space left on device" in said.stderr


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_every_experiment_validates_and_plans(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["config", "validate", str(path)]) == 0
    assert run_app(["config", "show", str(path)]) == 0
    plan = ["run", str(path), "--dry-run", "--workspace", str(tmp_path / "out")]
    assert run_app(plan) == 0
    assert "graph LR" not in capsys.readouterr().out
    assert run_app([*plan, "--mermaid"]) == 0
    assert "graph LR" in capsys.readouterr().out
    assert not (tmp_path / "out" / "runs").exists()


def test_a_resolved_experiment_means_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_app(["config", "show", str(ROOT / "experiments" / "quickstart.toml")])
    first = capsys.readouterr().out
    assert "verify" not in tomli.loads(first)["mmap"]  # an old key without effect
    (tmp_path / "again.toml").write_text(first)
    assert run_app(["config", "show", str(tmp_path / "again.toml")]) == 0
    assert capsys.readouterr().out == first


def test_a_dry_run_as_json_is_one_object_a_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(ROOT / "experiments" / "quickstart.toml")
    assert run_app(["run", path, "--dry-run", "--json", "--workspace", str(tmp_path)]) == 0
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [step["step"] for step in steps] == [
        stage.name
        for stage in CATALOG.stages
        if stage.name not in ("curate", "pretrain_mmap", "pretrain", "audit", "external", "refit")
    ]
    assert steps[0]["state"] == "run"
    assert {step["state"] for step in steps[1:]} == {"pending"}
    assert set(steps[0]) >= {"step", "stage", "fingerprint", "state", "why"}


def test_convenience_flags_spell_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(ROOT / "experiments" / "quickstart.toml")

    def fingerprints(*extra: str) -> str:
        run_app(["train", "-e", file, "--dry-run", "--json", "--workspace", str(tmp_path), *extra])
        return capsys.readouterr().out

    assert fingerprints("--model", "static") == fingerprints("--set", "model.name=static")
    assert fingerprints("--seed", "1").splitlines()[0] != fingerprints().splitlines()[0]
    assert fingerprints("--workers", "7", "--device", "cpu") == fingerprints()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "nowhere.toml"], 2, ["nowhere.toml", "does not exist"]),
        (["run", "--quickstart", "--set", "train.lrr=1"], 2, ["unknown key 'lrr'", "Did you mean 'lr'"]),
        (["run", "--quickstart", "--set", "model.name=abmill"], 2, ["abmill", "abmil"]),
        (["run", "--quickstart", "--to", "tran"], 2, ["unknown stage 'tran'", "Did you mean 'train'"]),
        (["run", "--quickstart", "--force", "tran", "--dry-run"], 2, ["Did you mean 'train'"]),
        (["run", "--quickstart", "other.toml"], 2, ["--quickstart", "other.toml"]),
        (["run", "one.toml", "-e", "other.toml"], 2, ["two experiment files", "one.toml and other.toml"]),
        (["serve", "bundle", "--port", "0"], 2, ["--port"]),
        (["nonsense"], 2, ["nonsense"]),
        (["run", "--nonsense"], 2, ["nonsense"]),
        (["ledger", "show"], 2, ["no ledger"]),
        (["serve"], 2, ["no experiment", "oceanpath run --quickstart"]),
        (["predict", "x.h5"], 2, ["no experiment"]),
        (["eval"], 2, ["no experiment"]),
        (["run"], 2, ["no experiment"]),
        (["ledger", "why"], 2, ["no experiment"]),
        (["config", "show"], 2, ["no experiment"]),
    ],
)
def test_mistakes_are_one_clear_line(arguments, code, words, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_app(arguments) == code
    said = capsys.readouterr()
    for word in words:
        assert word in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_debug_shows_the_traceback(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_app(["run", "nowhere.toml", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_unwritable_workspace_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(ROOT / "experiments" / "quickstart.toml")
    assert run_app(["run", path, "--workspace", "/proc/oceanpath"]) == 2  # nobody may write there, not even root
    assert "cannot be written" in capsys.readouterr().err


def test_the_schema_knows_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    for stage in CATALOG.stages:
        assert set(schema["properties"][stage.name]["properties"]) == set(stage.settings_class.own_keys())


def test_lists_name_what_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["models", "list"]) == 0
    assert "abmil" in capsys.readouterr().out
    assert run_app(["encoders", "list"]) == 0
    assert "efficientnet_lite0" in capsys.readouterr().out
