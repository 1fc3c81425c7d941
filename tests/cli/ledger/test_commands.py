"""The verbs of `oceanpath ledger`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oceanpath.cli.app import run_app
from oceanpath.cli.ledger.commands import MOST_PARTS, parts_table


def ledger(cohort, *words: str) -> int:
    return run_app(["ledger", *words, "--workspace", str(cohort.folder / "out")])


@pytest.fixture
def ran(cohort, capsys: pytest.CaptureFixture[str]):
    """Two runs of one cohort: three folds, then two."""
    assert cohort.run("--set", "split.folds=3", "--set", "split.val_fraction=0.4") == 0
    assert cohort.run() == 0
    capsys.readouterr()
    return cohort


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_show_finds_a_run_by_number_name_and_fingerprint(ran, capsys) -> None:
    assert ledger(ran, "show", "1") == 0
    first = printed(capsys)
    assert "run 1" in first
    assert "folds=3" in first
    assert ledger(ran, "show", "--json") == 0
    last = json.loads(printed(capsys))
    assert (last["id"], [step["name"] for step in last["steps"]]) == (2, ["mmap", "split"])
    assert ledger(ran, "show", "oceanpath", "--json") == 0
    assert json.loads(printed(capsys))["id"] == 2
    assert ledger(ran, "show", last["steps"][1]["fingerprint"][:8], "--json") == 0
    assert json.loads(printed(capsys))["id"] == 2
    assert ledger(ran, "show", "no_such_name") == 2


def test_many_parts_are_counted_and_those_that_failed_are_listed() -> None:
    part = {"seconds": 1.0, "fingerprint": "abcdef0123456789"}
    many = [{"key": f"slide_{i:03d}", "state": "failed" if i == 7 else "ok", **part} for i in range(MOST_PARTS + 1)]
    steps = [{"name": "extract", "parts": many}, {"name": "train", "parts": [{"key": "fold_0", "state": "ok", **part}]}]
    shown = parts_table(steps, every=False)
    assert shown.endswith("extract: 21 parts, 1 failed, 20 ok; --parts lists them")
    assert "slide_007" in shown and "fold_0" in shown and "slide_008" not in shown
    assert parts_table(steps, every=True).count("slide_") == MOST_PARTS + 1


def test_list_filters_and_sorts(ran, capsys) -> None:
    assert ledger(ran, "list", "--json") == 0
    assert [row["run"] for row in json.loads(printed(capsys))] == [2, 1]
    assert ledger(ran, "list", "--metric", "folds", "--json") == 0
    assert [row["value"] for row in json.loads(printed(capsys))] == [3.0, 2.0]
    assert ledger(ran, "list", "--stage", "mmap", "--state", "fresh", "--json") == 0
    assert [row["run"] for row in json.loads(printed(capsys))] == [2]
    assert ledger(ran, "list", "--since", "2999-01-01") == 0
    assert printed(capsys) == ""
    assert ledger(ran, "list", "--since", "yesterday") == 2


def test_diff_names_what_changed_in_settings_and_metrics(ran, capsys) -> None:
    assert ledger(ran, "diff", "1", "2") == 0
    text = printed(capsys)
    assert "mmap: no change" in text
    assert "split: folds: 3 -> 2; val_fraction: 0.4 -> 0.3" in text
    assert ledger(ran, "diff", "1", "2", "--json") == 0
    assert json.loads(printed(capsys))["steps"]["split"]["metrics"] == {"folds": [3.0, 2.0]}


def test_why_prints_what_would_run(ran, capsys) -> None:
    file = str(ran.folder / "oceanpath.toml")
    assert run_app(["ledger", "why", file, "--workspace", str(ran.folder / "out")]) == 0
    assert printed(capsys) == "mmap: fresh\nsplit: fresh\n"
    words = ["ledger", "why", file, "--set", "split.folds=4", "--json", "--workspace", str(ran.folder / "out")]
    assert run_app(words) == 0
    assert json.loads(printed(capsys).splitlines()[1]) == {"step": "split", "state": "run", "why": ["folds: 2 -> 4"]}


def test_a_dry_run_forecasts_from_earlier_runs(ran, capsys) -> None:
    assert ran.run("--dry-run") == 0
    assert "Nothing to do." in printed(capsys)
    assert ran.run("--dry-run", "--set", "split.folds=4") == 0
    assert "1 steps to run; 1 of them took" in printed(capsys)


def test_a_run_as_json_is_one_event_per_line(ran, capsys) -> None:
    assert ran.run("--json", "--set", "split.folds=4", "--set", "split.val_fraction=0.5") == 0
    events = [json.loads(line) for line in printed(capsys).splitlines()]
    assert [(event["event"], event["step"]) for event in events] == [
        ("end", "mmap"),
        ("start", "split"),
        ("end", "split"),
    ]
    assert [event.get("state") for event in events] == ["fresh", None, "ok"]
    assert ran.run("--json", "--set", "split.folds=9") == 2
    assert "fewer patients" in json.loads(printed(capsys).splitlines()[-1])["error"]


def test_verify_exits_with_4_and_names_the_repair(ran, capsys) -> None:
    assert ledger(ran, "verify", "--deep") == 0
    store = ran.folder / "out" / "experiments" / "oceanpath" / "mmap" / "features_000.bin"
    raw = bytearray(store.read_bytes())
    raw[0] ^= 1
    store.write_bytes(raw)
    assert ledger(ran, "verify") == 0  # the size is right
    capsys.readouterr()
    assert ledger(ran, "verify", "--deep") == 4
    assert "ledger verify --deep --repair" in printed(capsys)
    assert ledger(ran, "verify", "--deep", "--repair", "--json") == 4
    assert ran.run() == 0
    assert ledger(ran, "verify", "--deep") == 0
    assert ledger(ran, "verify", "--mend") == 0
    assert "--mend is now called --repair" in capsys.readouterr().err


def test_prune_lists_first_and_removes_with_yes(ran, capsys) -> None:
    runs = ran.folder / "out" / "runs" / "split"
    assert ledger(ran, "prune") == 0
    assert "1 results" in printed(capsys)
    assert len(list(runs.iterdir())) == 2
    assert ledger(ran, "prune", "--yes", "--json") == 0
    assert json.loads(printed(capsys))["removed"] is True
    assert len(list(runs.iterdir())) == 1
    assert ledger(ran, "prune", "--drop", "no_such_name", "--yes") == 2
    assert ledger(ran, "prune", "--drop", "oceanpath", "--yes") == 0
    assert list(runs.iterdir()) == []


def test_rebuild_and_a_damaged_ledger(ran, capsys) -> None:
    path = ran.folder / "out" / "ledger.sqlite"
    path.write_bytes(b"this is not a database" * 100)
    assert ran.run() == 4
    assert "ledger rebuild" in capsys.readouterr().err
    assert ledger(ran, "rebuild") == 0
    assert "3 published results of 1 experiments" in printed(capsys)
    assert ran.run() == 0
    assert "Nothing to do" in printed(capsys)


def test_export_contains_everything(ran, capsys) -> None:
    assert ledger(ran, "export") == 0
    assert [run["id"] for run in json.loads(printed(capsys))] == [1, 2]
    assert ledger(ran, "export", "--format", "csv") == 0
    assert printed(capsys).splitlines()[0].startswith("run,experiment,step")
    assert ledger(ran, "export", "--format", "xml") == 2


def test_a_workspace_that_does_not_exist(tmp_path: Path) -> None:
    for verb in ("verify", "prune", "rebuild"):
        assert run_app(["ledger", verb, "--workspace", str(tmp_path / "gone")]) == 2
