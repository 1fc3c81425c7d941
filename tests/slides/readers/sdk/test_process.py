"""Slides of vendors' formats by the command line: read like others, and a failure does not affect other slides."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from oceanpath.artifacts.features.files import check_features, find_features, read_features, read_meta, scan_features
from oceanpath.cli.app import run_app
from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.encoders import build_encoder

from ....narrowing import required

STUB = Path(__file__).with_name("stub.py")


def load_stub() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vendor_stub", STUB)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def slides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    stub = load_stub()
    monkeypatch.syspath_prepend(str(stub.install(tmp_path / "library")))
    folder = tmp_path / "slides"
    folder.mkdir()
    write_aperio(folder / "plain.svs", stub.seen(), 0.5)
    (folder / "closed.kfb").write_text("answers")
    return folder


def extract(*more: str) -> int:
    keys = ["--set", "extract.patch_px=128", "--set", "extract.vendor_limit_s=3"]
    return run_app(["extract", "--slides", "slides", "--encoder", "hed_stats", *keys, "--out", "out", *more])


def test_a_slide_of_an_sdk_is_extracted_like_others(slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert extract() == 0
    assert "2 slides, 32 patches in out" in capsys.readouterr().out
    check_features(Path("out"))
    meta = read_meta(Path("out/closed.h5"))
    assert (meta.reader, meta.reader_reason) == ("kfbslide 9.8.7", "a .kfb slide")
    assert (meta.mpp_x, meta.mpp_source, meta.tissue_source) == (0.5, "kfb.mpp", "auto")
    assert Path("out/thumbnails/closed.jpg").is_file() and Path("out/masks/closed.jpg").is_file()
    features, coords = read_features(scan_features(Path("out/closed.h5")))
    stub = sys.modules["vendor_stub"]
    patches = np.stack([stub.seen()[y : y + 128, x : x + 128] for x, y in required(coords).tolist()])
    assert np.array_equal(features, build_encoder("hed_stats", "cpu").encode(patches).astype(np.float16))
    before = {path.name: path.read_bytes() for path in Path("out").glob("*.h5")}
    (slides / "plain.svs").rename(slides / "other.svs")
    assert extract("--set", "runtime.workers=0") == 0
    assert Path("out/closed.h5").read_bytes() == before["closed.h5"]


@pytest.mark.parametrize("mood", ["raises read", "dies read", "hangs read", "dies open"])
def test_a_slide_that_fails_does_not_affect_others(slides: Path, capsys: pytest.CaptureFixture[str], mood: str) -> None:
    (slides / "bad.kfb").write_text(mood)
    assert extract() == 3
    err = capsys.readouterr().err
    assert "bad.kfb" in err and "plain.svs" not in err
    assert {path.name for path in Path("out").rglob("*.h5")} == {"closed.h5", "plain.h5"}
    assert sorted(find_features(Path("out"))) == ["closed", "plain"]
    before = Path("out/closed.h5").stat().st_ino
    (slides / "bad.kfb").unlink()
    assert extract() == 0
    assert Path("out/closed.h5").stat().st_ino == before


def test_a_missing_sdk_is_reported_with_the_command_that_installs_it(
    slides: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (slides / "plain.svs").unlink()
    for path in slides.glob("*.kfb"):
        path.unlink()
    (slides / "x.sdpc").write_bytes(b"SDPC")
    if importlib.util.find_spec("opensdpc") is not None:
        pytest.skip("opensdpc is installed here")
    code = extract()
    err = capsys.readouterr().err
    assert 'pip install "oceanpath[sdpc]"' in err
    assert code == 5
