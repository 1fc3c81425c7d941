"""`oceanpath extract` through the front door: no experiment, shards, forecasts, bad slides among good ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.features.files import check_features, find_features
from oceanpath.cli.app import run_app
from oceanpath.slides.demo.aperio import write_aperio

NAMES = ("a", "b c", "d(1)[2]", "é", "site/f")


def draw(path: Path, seed: int, side: int = 768) -> None:
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), (243, 242, 244), np.uint8)
    low, high = side // 4, side * 3 // 4
    pixels[low:high, low:high] = rng.integers(60, 200, (48, 48, 3)).repeat(8, 0).repeat(8, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aperio(path, pixels, 0.5)


@pytest.fixture
def slides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(NAMES):
        draw(tmp_path / "slides" / f"{name}.svs", seed)
    return tmp_path / "slides"


def extract(*more: str, out: str = "out") -> int:
    place = ["--out", out] if out else []
    keys = ["--set", "extract.patch_px=64", "--set", "extract.min_tissue=0.5"]
    return run_app(["extract", "--slides", "slides", "--encoder", "hed_stats", *keys, *place, *more])


def contents(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in find_features(folder).items()}


def test_a_folder_of_slides_becomes_a_folder_of_features(slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert extract() == 0
    output = capsys.readouterr()
    for setting in ('encoder = "hed_stats"', 'geometry = "mpp"', "min_tissue = 0.5, overlap = 0, patch_px = 64"):
        assert setting in output.err.splitlines()[0]
    assert "5 slides, 180 patches in out" in output.out
    check_features(slides.parent / "out")
    assert sorted(path.name for path in Path("out").glob("*.h5")) == ["a.h5", "b c.h5", "d(1)[2].h5", "f.h5", "é.h5"]
    assert len(list(Path("out/thumbnails").iterdir())) == 5
    before = {path: path.stat().st_ino for path in Path("out").glob("*.h5")}
    assert extract() == 0
    assert "first run" not in capsys.readouterr().err
    assert {path: path.stat().st_ino for path in Path("out").glob("*.h5")} == before


def test_files_equal_those_of_the_stage(slides: Path) -> None:
    Path("oceanpath.toml").write_text('[data]\nslides = "slides"\n[extract]\nencoder = "hed_stats"\n')
    assert extract(out="") == 0
    stage = contents(Path("outputs/experiments/oceanpath/extract"))
    Path("oceanpath.toml").unlink()
    assert extract() == 0
    assert contents(Path("out")) == stage


def test_other_settings_replace_the_files(slides: Path) -> None:
    assert extract() == 0
    before = contents(Path("out"))
    assert extract("--set", "extract.overlap=32") == 0
    assert all(content != before[name] for name, content in contents(Path("out")).items())
    assert extract() == 0
    assert contents(Path("out")) == before


def test_parts_of_shards_are_gathered(slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert extract(out="whole") == 0
    for number, names in ((1, {"a", "d(1)[2]", "é"}), (2, {"b c", "f"})):
        assert extract("--shard", f"{number}/2", "--workspace", "shared", out=f"out{number}") == 0
        assert set(contents(Path(f"out{number}"))) == names
    capsys.readouterr()
    assert extract("--workspace", "shared", "--json") == 0
    assert contents(Path("out")) == contents(Path("whole"))
    assert len(list(Path("shared/parts/extract").iterdir())) == 5, "nothing was made twice"


def test_excluded_slides_are_removed_and_other_slides_are_reported(slides: Path, capsys) -> None:
    assert extract() == 0
    (slides / "site" / "f.svs").unlink()
    (Path("out") / "é.h5").unlink()
    (Path("out") / "é.h5").write_bytes(b"of another tool")
    capsys.readouterr()
    assert extract("--set", 'extract.exclude=["d(1)[2]", "é"]') == 0
    message = capsys.readouterr().err
    assert "removed from out: d(1)[2], which is now excluded\n" in message
    assert "out also contains features of 2 other slides: f, é\n" in message
    assert sorted(path.name for path in Path("out").glob("*.h5")) == ["a.h5", "b c.h5", "f.h5", "é.h5"]
    assert {path.stem for path in Path("out/thumbnails").iterdir()} == {"a", "b c", "f", "é"}
    assert extract("--set", "extract.exclude=[]") == 0
    assert "other slides: f\n" in capsys.readouterr().err
    assert (Path("out") / "é.h5").stat().st_size > 100, "what is chosen again replaces it"


def test_a_shard_does_not_report_the_others(slides: Path, capsys) -> None:
    assert extract("--shard", "1/2") == 0
    assert extract("--shard", "2/2") == 0
    assert "other slides" not in capsys.readouterr().err
    assert len(contents(Path("out"))) == 5


@pytest.mark.parametrize(
    ("shard", "words"), [("3/2", "i must be from 1 to n"), ("x", "shard"), ("6/6", "contains no slides")]
)
def test_wrong_shards(slides: Path, shard: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert extract("--shard", shard) == 2
    assert words in capsys.readouterr().err


def test_a_bad_slide_is_named_and_the_others_are_extracted(slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (slides / "a.svs").read_bytes()
    (slides / "a.svs").write_bytes(whole[:3000])
    (slides / "cut.svs").write_bytes(whole.replace(b"\xff\xd8\xff", bytes(3)))
    write_aperio(slides / "blank.svs", np.full((768, 768, 3), 243, np.uint8), 0.5)
    assert extract() == 3
    message = capsys.readouterr().err
    assert "2 of 7 parts failed. The others are kept." in message
    for line in (r"a.svs: OpenSlide cannot open", "cut.svs: pixels cannot be"):
        assert line in message
    assert set(contents(Path("out"))) == {"b c", "blank", "d(1)[2]", "f", "é"}
    (slides / "a.svs").write_bytes(whole)
    assert extract("--set", 'extract.exclude=["cut"]') == 0
    assert len(contents(Path("out"))) == 6


def test_a_forecast_changes_nothing(slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (slides / "bad.svs").write_bytes(b"no slide")
    assert extract("--dry-run") == 0
    message = capsys.readouterr().out
    assert "a: 36 patches, mpp 0.5 (openslide.mpp)" in message
    assert "bad: would fail: " in message and "bad.svs: OpenSlide cannot open this file" in message
    assert "5 slides, 180 patches; 1 would fail" in message
    assert "measured on 36 patches of a" in message
    assert not list(Path("out").rglob("*.h5"))
    assert extract("--dry-run", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["step"] == "extract"
    assert {row["slide_id"]: row["patches"] for row in rows[1:-1]} == dict.fromkeys(
        ["a", "b c", "d(1)[2]", "f", "é"], 36
    ) | {"bad": 0}
    assert rows[-1]["sample"]["patches"] == 36


def test_a_forecast_of_slides_that_do_not_exist_yet(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "oceanpath.toml").write_text("[demo]\n[extract]\n")
    assert run_app(["extract", "--dry-run"]) == 0
    assert "do not exist yet" in capsys.readouterr().out


def test_no_slides_at_all(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_app(["extract", "--out", "out"]) == 2
    assert "data.slides" in capsys.readouterr().err
    assert run_app(["extract", "--slides", "nowhere", "--out", "out"]) == 2
    assert "nowhere" in capsys.readouterr().err
