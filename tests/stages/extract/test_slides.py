"""The slides of a folder, and those that are extracted."""

from __future__ import annotations

from pathlib import Path

import pytest

from oceanpath.errors import ArtifactError, ExperimentError, MissingExtraError, together
from oceanpath.pipeline.stage import Inputs, ParentSources, Part, Quiet
from oceanpath.stages.extract.cohort import parts
from oceanpath.stages.extract.preflight import preflight
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slides import Slides, slides_of
from oceanpath.stages.extract.work import run_part


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.svs", "site 1/b.TIF", ".hidden.svs", "notes.txt", "c.isyntax", "d.isyntax"):
        path = tmp_path / "slides" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"slide " + name.encode())
    return tmp_path / "slides"


def settings(folder: Path | None, **keys: object) -> ExtractSettings:
    return ExtractSettings.model_validate({"encoder": "hed_stats", "slides": folder, **keys})


def slides_in(folder: Path, **keys: object) -> Slides:
    return slides_of(settings(folder, **keys), Inputs())


def problems(folder: Path, **keys: object) -> str:
    reported = preflight(settings(folder, **keys), ParentSources()).problems
    return together(reported).render() if reported else ""


def table(folder: Path, *names: str, head: str = "slide_id") -> Path:
    path = folder.parent / "cohort.csv"
    path.write_text("\n".join([f"{head},label", *(f"{name},x" for name in names)]) + "\n")
    return path


def test_ignored_files_are_counted(folder: Path) -> None:
    slides = slides_in(folder)
    assert list(slides.selected) == ["a", "b"]
    assert slides.lines(()) == ["ignored in slides: 2 .isyntax; 1 .txt"]
    (folder / "only").mkdir()
    (folder / "only" / "x.csv").touch()
    with pytest.raises(ExperimentError, match=r"contains no slides.*got 1 \.csv"):
        slides_in(folder / "only")


def test_folders_that_are_links_are_searched_too(folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "far")
    folder.mkdir()
    (folder / "link").symlink_to("../far")
    (tmp_path / "far" / "back").symlink_to("../slides")
    slides = slides_in(folder)
    assert {name: path.relative_to(folder).as_posix() for name, path in slides.selected.items()} == {
        "a": "link/a.svs",
        "b": "link/site 1/b.TIF",
    }
    assert "circular links: link/back" in slides.other_files
    assert [part.key for part in parts(settings(folder), Inputs())] == ["a", "b"]


def test_a_slide_with_two_paths_counts_once(folder: Path) -> None:
    (folder / "site 1" / "a.svs").symlink_to("../a.svs")
    assert list(slides_in(folder).selected) == ["a", "b"]
    (folder / "site 2").mkdir()
    (folder / "site 2" / "a.svs").write_bytes(b"another")
    with pytest.raises(ExperimentError, match=r"two slides have the same id; got a: a\.svs and site 2/a\.svs"):
        slides_in(folder)
    assert list(slides_in(folder, labels=table(folder, "b")).selected) == ["b"], "a is not in the table"
    assert list(slides_in(folder, exclude=("a",)).selected) == ["b"]


def test_a_link_without_a_target_is_named_and_can_be_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "gone.svs").symlink_to(tmp_path / "gone.svs")
    (folder / "itself.svs").symlink_to("itself.svs")
    assert "slides are links without a target; got 2 of 4: gone, itself" in problems(folder)
    assert problems(folder, exclude=("gone", "itself")) == ""
    assert problems(folder, allow_missing=True) == ""
    made = {part.key: part for part in parts(settings(folder), Inputs())}
    with pytest.raises(ArtifactError, match=r"gone\.svs: the slide is a link without a target; got /.*gone\.svs"):
        run_part(settings(folder), Inputs(), made["gone"], folder, Quiet())
    before = made["gone"].identity
    (folder / "gone.svs").unlink()
    (folder / "gone.svs").write_bytes(b"here now")
    assert {part.key: part for part in parts(settings(folder), Inputs())}["gone"].identity != before


def test_only_slides_of_the_table_are_extracted(folder: Path) -> None:
    slides = slides_in(folder, labels=table(folder, "b.tif", "z"))
    assert (list(slides.selected), slides.without_slide) == (["b"], ["z"])
    assert slides.lines(())[0] == "1 slides of the folder are not in the table and were not extracted"
    assert list(slides_in(folder, labels=table(folder, "b"), whole_folder=True).selected) == ["a", "b"]
    assert list(slides_in(folder, labels=table(folder, "b_x"), match_ids="^[^_]+").selected) == ["b"]
    with pytest.raises(ExperimentError, match="0 of 1 ids match"):
        slides_in(folder, labels=table(folder, "q"))


def test_a_table_selects_slides_without_changing_them(folder: Path) -> None:
    whole = {part.key: part.identity for part in parts(settings(folder), Inputs())}
    some = parts(settings(folder, labels=table(folder, "b")), Inputs())
    assert [(part.key, part.identity) for part in some] == [("b", whole["b"])]


def test_only_the_ids_of_the_table_are_part_of_the_identity(folder: Path) -> None:
    plain = settings(folder).identity()
    assert settings(folder, labels=table(folder, "a", "b"), whole_folder=True).identity() == plain
    first = settings(folder, labels=table(folder, "a", "b")).identity()
    assert first != plain
    assert settings(folder, labels=table(folder, "b", "a.svs")).identity() == first
    assert settings(folder, labels=table(folder, "a", "b", head=" slide_id")).identity() == first
    assert settings(folder, labels=table(folder, "a")).identity() != first
    assert settings(folder, allow_missing=True).identity() == {**plain, "allow_missing": True}


def test_all_problems_are_reported_before_a_slide_is_opened(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("oceanpath.stages.extract.preflight.find_spec", lambda name: None)
    monkeypatch.setattr("oceanpath.slides.readers.sdk.sdks.installed", lambda path: "")
    (folder / "e.kfb").write_bytes(b"x")
    (folder / "gone.svs").symlink_to(tmp_path / "gone.svs")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").write_bytes(b"x")
    keys = {"encoder": "uni_v1", "tissue": tmp_path / "masks", "coords": tmp_path / "masks"}
    text = problems(folder, labels=table(folder, "a", "b", "e", "gone", "absent"), **keys)
    for words in (
        "6 problems",
        "the encoder uni_v1 needs a package that is not installed; expected timm",
        "rows of the table have no slide; got 1: absent",
        "links without a target; got 1 of 4: gone",
        ".kfb slides need the package kfbslide, which is not installed",
        "extract.tissue: slides have no file in this folder; got 3 of 4: b, e, gone",
        "extract.coords: slides have no file in this folder; got 4 of 4",
    ):
        assert words in text, text


def test_a_missing_package_alone_keeps_its_exit_code(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("oceanpath.stages.extract.preflight.find_spec", lambda name: None)
    (problem,) = preflight(settings(folder, encoder="uni_v1"), ParentSources()).problems
    assert isinstance(problem, MissingExtraError)


def test_minimum_size_and_expected_slides(folder: Path) -> None:
    outlook = preflight(settings(folder), ParentSources())
    assert outlook.expected.slides == {"a", "b"} and outlook.bytes == 0
    (folder / "a.svs").write_bytes(bytes(50_000_000))
    assert 1000 < preflight(settings(folder), ParentSources()).bytes < 50_000_000


def test_published_parts_are_not_refused(folder: Path) -> None:
    part = Part("a", {"slide": "0" * 32, "slide_id": "a"}, {"path": str(folder / "a.svs")})
    with pytest.raises(ArtifactError, match="OpenSlide cannot open"):
        run_part(settings(folder), Inputs(), part, folder, Quiet())
