"""A place that cannot be written is refused before the work starts, in one line that names the flag."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from oceanpath.cli.app import build_app, run_app
from oceanpath.cli.outputs import prepare_file, prepare_folder
from oceanpath.errors import ExperimentError

FOLDERS = {
    "extract": ["--slides", "slides"],
    "coverage": ["features", "store"],
    "bench store": [],
    "bench loading": [],
    "bench models": [],
    "bench extract": [],
    "bench batching": ["store"],
    "bench coverage": [],
    "bench ssl": [],
    "bench stats": [],
    "bench train": [],
    "bench serve": ["bundle"],
    "bench ledger": [],
    "splits export": ["split", "--format", "clam"],
    "pretrain": ["--show-views", "slide"],
    "eval": ["--predictions", "predictions.csv"],
    "compare": ["a.csv", "b.csv"],
    "features convert": ["slides", "--to", "clam"],
    "demo": ["--dataset", "musk1", "file"],
    "ledger track": ["--to", "tensorboard"],
    "bundle export-spinpath": ["slides"],
}
"""Verbs with a folder as ``--out``, and what else they need."""
NEW_FOLDERS = ("hub pull",)
"""Verbs whose ``--out`` must not exist yet; tests/serving/test_hub.py has their refusals."""
FILES = ("predict", "embed", "probe", "init", "search", "report", "models import")
SCRATCH = ("bench store", "bench loading", "bench extract", "bench ledger")


def verbs_with(flag: str) -> set[str]:
    def walk(command: Any, path: str) -> Iterator[str]:
        if any(flag in parameter.opts for parameter in command.params):
            yield path
        for name, sub in getattr(command, "commands", {}).items():
            yield from walk(sub, f"{path} {name}".strip())

    return set(walk(typer.main.get_command(build_app()), ""))


def test_every_verb_that_writes_what_a_flag_names_is_here() -> None:
    assert verbs_with("--out") == {*FOLDERS, *NEW_FOLDERS, *FILES}
    assert verbs_with("--scratch") == set(SCRATCH)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slides").mkdir()
    (tmp_path / "file").touch()
    return tmp_path


CALLS = [(verb, "--out", more) for verb, more in FOLDERS.items() if verb != "coverage"]
CALLS += [(verb, "--scratch", FOLDERS[verb]) for verb in SCRATCH]


@pytest.mark.parametrize(("verb", "flag", "more"), CALLS)
@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("file", "there is a file where a folder is needed"),
        ("file/below", "there is a file where a folder is needed"),
        ("/proc/oceanpath", "the folder cannot be written"),  # nobody may write there, not even root
    ],
)
def test_folders(verb: str, flag: str, more: list[str], out: str, words: str, folder: Path, capsys) -> None:
    assert run_app([*verb.split(), *more, flag, out]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    last = said.err.splitlines()[-1]
    assert last.startswith(f"error: {flag} {out}: {words}")
    assert last.endswith(f"Name another with {flag}.")
    assert sorted(path.name for path in folder.iterdir()) == ["file", "slides"], "no work was started"


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/oceanpath"])
def test_coverage(out: str, folder: Path, make_store, capsys) -> None:
    import h5py
    import numpy as np

    from oceanpath.artifacts.store.reader import Store

    store: Store = make_store({"a": np.ones((3, 2), np.float16)}, coords=True)
    (folder / "features").mkdir()
    with h5py.File(folder / "features" / "a.h5", "w") as file:
        file["features"] = np.ones((3, 2), np.float16)
    assert run_app(["coverage", "features", str(store.path), "--out", out]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"error: --out {out}/maps: ")


@pytest.mark.parametrize("missing", ["", "features", "store"])
def test_what_coverage_reads_is_checked_too(missing: str, folder: Path, capsys) -> None:
    for name in ("features", "store"):
        if name != missing:
            (folder / name).mkdir()
    assert run_app(["coverage", "features", "store", "--out", "out"]) in (2, 4)
    assert capsys.readouterr().err.startswith("error: ")
    assert not (folder / "out").exists()


def test_files(folder: Path) -> None:
    for path, words in (
        ("slides", "there is a folder"),
        ("none/table.csv", "the folder of the file does not exist"),
        ("file/table.csv", "the folder of the file does not exist"),
        ("/proc/table.csv", "the file cannot be written"),
    ):
        with pytest.raises(ExperimentError, match=words) as caught:
            prepare_file(Path(path))
        assert caught.value.exit_code == 2 and f"--out {path}" in str(caught.value)


def test_the_check_itself_changes_nothing(folder: Path) -> None:
    (folder / "table.csv").write_text("kept")
    prepare_file(folder / "table.csv")
    prepare_file(folder / "new.csv")
    prepare_file(Path("/dev/null"))
    prepare_folder(folder / "a" / "b")
    assert (folder / "table.csv").read_text() == "kept"
    assert not (folder / "new.csv").exists()
    assert list((folder / "a" / "b").iterdir()) == []


def test_a_refusal_during_the_work_is_one_line_too(folder: Path, capsys, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "secret/table.csv")

    monkeypatch.setattr("oceanpath.cli.models.aggregator_settings", refuse)
    assert run_app(["models", "list"]) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("error: secret/table.csv: a system call failed; got Permission denied.")
    with pytest.raises(PermissionError):
        run_app(["models", "list", "--debug"])
