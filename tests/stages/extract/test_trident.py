"""The stage with TRIDENT as its backend: the same files and metadata, for all versions of TRIDENT."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from oceanpath.artifacts.features.files import check_features, read_features, read_meta, scan_features
from oceanpath.errors import ExperimentError, MissingExtraError, StageError
from oceanpath.pipeline.stage import Inputs, Part, Quiet
from oceanpath.slides.trident.interpreter import VARIABLE
from oceanpath.stages.extract.cohort import parts
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.work import run, run_part

from ...slides.trident import stub
from .test_work import draw_slide

REAL = Path(__file__).resolve().parents[3] / "../shared/data/slides_real"


class Notes(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    return stub.install(tmp_path / "there", stub.FILES)


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    draw_slide(tmp_path / "slides/a.svs", 1)
    draw_slide(tmp_path / "slides/b.svs", 2, mpp=0.31, side=2048)
    return tmp_path / "slides"


def settings(slides: Path, python: Path | str, **keys: Any) -> ExtractSettings:
    values = {"encoder": "counting", "trident_segmenter": "otsu", "workers": 0, "device": "cpu", **keys}
    return ExtractSettings(backend="trident", slides=slides, trident_python=str(python), **values)


def make(keys: ExtractSettings, part: Part, out: Path, progress: Quiet | None = None) -> Path:
    out.mkdir(parents=True)
    run_part(keys, Inputs(), part, out, progress or Quiet())
    return out


def test_features_coordinates_and_metadata(slides: Path, python: Path, tmp_path: Path) -> None:
    keys, notes = settings(slides, python), Notes()
    folders = {part.key: make(keys, part, tmp_path / "parts" / part.key, notes) for part in parts(keys, Inputs())}
    out = tmp_path / "out"
    out.mkdir()
    assert run(keys, Inputs(parts=folders), out, Quiet()).metrics["patches"] == 6
    check_features(out)
    features, coords = read_features(scan_features(out / "a.h5"))
    assert features[:, 0].tolist() == [0, 4, 8]
    assert coords is not None and coords.tolist() == [[0, 256], [256, 256], [512, 256]]
    meta = read_meta(out / "b.h5")
    assert (meta.encoder, meta.mpp_x, meta.mpp_source) == ("counting", 0.31, "openslide.mpp")
    assert meta.patch_px_level0 == 256  # TRIDENT calls 0.31 a 20x slide
    assert any("0.31 µm per pixel instead of 0.5" in line for line in notes.lines)
    assert meta.tool_version.startswith("oceanpath ")
    assert "torch" in meta.tool_version
    assert sorted(path.name for path in out.rglob("*.*")) == ["a.h5", "a.jpg", "b.h5", "b.jpg"]


def test_the_same_bytes_again_and_other_identities_for_other_versions(
    slides: Path, python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = settings(slides, python)
    first, second = parts(keys, Inputs())[0], parts(keys, Inputs())[0]
    assert first.identity == second.identity
    one, two = (make(keys, first, tmp_path / name) / "a.h5" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    module = "oceanpath.stages.extract.cohort.trident_versions"
    monkeypatch.setattr(module, lambda _: {"trident": "9.9.9+abc"})
    assert parts(keys, Inputs())[0].identity != first.identity


@pytest.mark.parametrize(
    ("keys", "kind", "words"),
    [
        (
            {"encoder": "uni9"},
            StageError,
            r"a\.svs: TRIDENT cannot extract this slide; got ValueError in the step 'load the encoder': Unk",
        ),
        ({"trident_segmenter": "hest"}, StageError, 'trident_segmenter = "otsu", which needs no download'),
        ({"min_tissue": 0.95}, StageError, r"no patch with tissue.*extract\.exclude"),
        ({"target_mpp": 0.3}, ExperimentError, r"extract\.target_mpp: TRIDENT supports only whole magnifications"),
        ({"encoder": "dies"}, StageError, "TRIDENT ended unexpectedly.*out of memory"),
    ],
)
def test_errors_name_the_slide_or_the_key(
    slides: Path, python: Path, tmp_path: Path, keys: dict[str, Any], kind: type[Exception], words: str
) -> None:
    values = settings(slides, python, **keys)
    part = parts(values, Inputs())[0]
    with pytest.raises(kind, match=words):
        make(values, part, tmp_path / "out")
    fine = settings(slides, python)
    assert (make(fine, part, tmp_path / "again") / "a.h5").is_file()  # a driver that died is started again


def test_a_missing_interpreter_is_reported(slides: Path, python: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"docs/trident\.md"):
        parts(settings(slides, ""), Inputs())


@pytest.mark.real
@pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no interpreter with TRIDENT")
def test_real_trident_on_a_real_slide(tmp_path: Path) -> None:
    """58 patches of 256 px at 20x, as TRIDENT 0.3.1 gives with its defaults and Otsu's segmenter."""
    slide = REAL / "CMU-1-Small-Region.svs"
    if not slide.is_file():
        pytest.skip("no real slides here")
    (tmp_path / "slides").mkdir()
    (tmp_path / "slides" / slide.name).symlink_to(slide.resolve())
    keys = settings(tmp_path / "slides", "", encoder="resnet50", min_tissue=0.0)
    part = parts(keys, Inputs())[0]
    made = scan_features(make(keys, part, tmp_path / "out") / "CMU-1-Small-Region.h5")
    assert made.patch_px_level0 == 256
    assert made.dim == 1024
    assert "trident 0.3" in read_meta(made.path).tool_version
