"""`oceanpath encoders`: the list, and the check of the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oceanpath.cli.app import run_app
from oceanpath.slides.encoders import ENCODERS


def test_the_list_has_all_encoders(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    hub = ENCODERS["phikon"].hub
    assert hub is not None
    folder = tmp_path / "models--owkin--phikon/snapshots" / hub.revision
    folder.mkdir(parents=True)
    (folder / hub.file).write_bytes(b"x")
    assert run_app(["encoders", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert set(ENCODERS) < set(lines)
    assert "1536" in lines["uni_v2"] and "gated" in lines["uni_v2"] and " no " in lines["uni_v2"]
    assert "uni2h" in lines["uni_v2:"] and " yes " in lines["phikon"] and "224 @ 0.5" in lines["phikon"]
    assert run_app(["encoders", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["phikon"]["weights_here"] and rows["uni_v1"]["weights_here"] is False
    assert rows["hed_stats"]["weights_here"] is None and rows["gigapath"]["repository"] == "prov-gigapath/prov-gigapath"


def test_a_check_passes_and_reports_the_speed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["encoders", "check", "hed-stats"]) == 0
    out = capsys.readouterr().out
    assert "hed_stats: 64 features" in out and "FAIL" not in out and "patches per second" in out


def test_a_check_fails_for_a_broken_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd_encoder.py").write_text(
        "factory = lambda device, options: type('Odd', (), {'name': 'odd', 'dim': 3})()"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert run_app(["encoders", "check", "odd_encoder:factory"]) == 6
    assert "FAIL  attributes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["uni2hh"], 2, "Did you mean uni2h?"),
        (["uni2h", "--weights", "absent.bin"], 2, "no such weights file"),
        (["hed_stats", "--revision", "main"], 2, "the encoder has no weights"),
    ],
)
def test_wrong_arguments_have_their_exit_code(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["encoders", "check", *arguments]) == code
    assert message in capsys.readouterr().err
