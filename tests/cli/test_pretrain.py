"""`oceanpath pretrain --show-views`: a drawing from the experiment's store and augmentations."""

from __future__ import annotations

from pathlib import Path

import pytest

from oceanpath.cli.app import run_app


@pytest.fixture
def calls(cohort, tmp_path: Path) -> list[str]:
    """The command of an experiment without a store."""
    path = tmp_path / "mine.toml"
    path.write_text(cohort.toml + "[pretrain]\n")
    return ["-e", str(path), "--workspace", str(tmp_path / "out")]


def test_a_slide_of_the_store_is_drawn_with_the_settings_of_the_experiment(calls, tmp_path: Path, capsys) -> None:
    assert run_app(["mmap", *calls, "--quiet"]) == 0
    drawn = []
    for number, sets in enumerate([[], [], ["--set", "pretrain.augment.region_drop.probability=0"]]):
        out = tmp_path / f"views{number}"
        assert run_app(["pretrain", *calls, *sets, "--show-views", "slide_03", "--out", str(out)]) == 0
        assert capsys.readouterr().out.strip() == str(out / "views.png")
        drawn.append((out / "views.png").read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]
    assert not (tmp_path / "out" / "experiments" / "mine" / "pretrain").exists()


def test_what_cannot_be_drawn_is_an_error(calls, tmp_path: Path, capsys) -> None:
    out = ["--out", str(tmp_path / "views")]
    assert run_app(["pretrain", *calls, "--show-views", "slide_03", *out]) == 2
    assert "there is no store yet" in capsys.readouterr().err
    assert run_app(["mmap", *calls, "--quiet"]) == 0
    assert run_app(["pretrain", *calls, "--show-views", "slide_99", *out]) != 0
    assert "no such slide in the store" in capsys.readouterr().err
    flat = [*calls, "--set", "mmap.coords=false"]
    assert run_app(["mmap", *flat, "--quiet"]) == 0
    assert run_app(["pretrain", *flat, "--show-views", "slide_03", *out]) == 2
    assert "needs the coordinates of patches" in capsys.readouterr().err
