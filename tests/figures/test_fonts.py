"""Names in any script: from an installed font, else as the numbers of their letters, and never as empty boxes."""

from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from oceanpath.figures import fonts
from oceanpath.figures.canvas import drawing, heading
from oceanpath.figures.curves import draw_confusion, draw_probabilities
from oceanpath.figures.files import check_figure

NAME = "肿瘤 tumour"


def square(side: int):
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, side), (side, side), (side, 0)):
        pen.lineTo(corner)
    pen.closePath()
    return pen.glyph()


def font(path: Path, letters: str) -> str:
    """A font file in which each of `letters` is a square."""
    names = [".notdef", *(f"u{ord(letter):04X}" for letter in letters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"u{ord(letter):04X}" for letter in letters})
    builder.setupGlyf({name: square(700) for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (800, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture
def installed(monkeypatch):
    """Sets the fonts of this machine."""

    def install(*paths: str) -> None:
        monkeypatch.setattr(fonts, "_installed", lambda: paths)

    fonts.notice("eval")
    return install


def drawn(path: Path, text: str, name: str = NAME) -> str:
    """Draws `name` as title, tick label and text; returns the tick label as it was drawn."""
    with drawing(path) as figure:
        axes = figure.add_subplot(title=name)
        axes.set_xticks([0, 1], [name, text])
        heading(figure, name)
    check_figure(path)
    return axes.get_xticklabels()[0].get_text()


def test_an_installed_font_with_the_letters_is_used(tmp_path, installed):
    installed(font(tmp_path / "Other.ttf", "あ"), font(tmp_path / "Some Han.ttf", "肿瘤"))
    assert drawn(tmp_path / "a.png", "x") == NAME
    assert not fonts.notice("eval")
    drawn(tmp_path / "b.png", "x")
    for suffix in ("png", "pdf", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_letters_may_come_from_several_fonts(tmp_path, installed):
    installed(font(tmp_path / "One.ttf", "肿"), font(tmp_path / "Two.ttf", "瘤"))
    assert drawn(tmp_path / "a.png", "x") == NAME
    assert not fonts.notice("eval")


def test_missing_characters_are_written_as_code_points_and_reported_once(tmp_path, installed):
    installed(font(tmp_path / "One.ttf", "肿"))
    assert drawn(tmp_path / "a.png", "x").split() == ["肿U+7624", "tumour"]
    assert drawn(tmp_path / "b.png", "x", "瘤瘤, (瘤b) [瘤]").replace("\n", " ") == "U+7624 U+7624, (U+7624 b) [U+7624]"
    message = fonts.notice("eval")
    assert "1 of the letters" in message and "U+7624" in message and "Noto Sans CJK" in message
    assert message.endswith("oceanpath eval --force eval")
    assert not fonts.notice("eval")


def test_a_file_that_is_no_font_is_ignored(tmp_path, installed):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    installed(str(tmp_path / "broken.ttf"), str(tmp_path / "gone.ttf"), font(tmp_path / "Some Han.ttf", "肿瘤"))
    assert drawn(tmp_path / "a.png", "x") == NAME


def test_classes_that_differ_only_in_missing_characters_remain_distinct(tmp_path, installed):
    installed()
    for number, name in enumerate(("肿瘤", "肿块")):
        draw_confusion(tmp_path / f"{number}.png", np.eye(2, dtype=int), [name, "b"])
        draw_probabilities(tmp_path / f"p{number}.png", {name: np.ones(3)}, "p")
    for one, other in (("0.png", "1.png"), ("p0.png", "p1.png")):
        pictures = [np.asarray(Image.open(tmp_path / file)) for file in (one, other)]
        assert pictures[0].shape != pictures[1].shape or (pictures[0] != pictures[1]).any()


def test_control_characters_are_not_drawn(tmp_path, installed):
    installed()
    assert drawn(tmp_path / "a.png", "x", "a\x07b").split() == ["aU+0007", "b"]


def test_common_names_need_no_font_search(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "_installed", lambda: pytest.fail("fonts were looked for"))
    assert drawn(tmp_path / "a.png", "x", "Größe, Опухоль, µm, Ω") == "Größe, Опухоль, µm, Ω"
