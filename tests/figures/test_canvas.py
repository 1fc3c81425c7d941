import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from oceanpath.errors import ArtifactError
from oceanpath.figures.canvas import DPI, PALETTE, colour, drawing, heading
from oceanpath.figures.files import check_figure
from oceanpath.figures.lines import width_of, wrap


def draw(path):
    with drawing(path, 2.0, 1.5) as figure:
        figure.add_subplot().plot([0, 1], [0, 1])
        heading(figure, "a" * 200)


def test_bytes_do_not_depend_on_settings_of_the_user(tmp_path):
    draw(tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "savefig.dpi": 20}):
        draw(tmp_path / "b.png")
        assert matplotlib.rcParams["font.size"] == 30  # and the user's settings are left as they were
    for suffix in ("png", "pdf", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_a_png_has_no_software_and_no_date(tmp_path):
    draw(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (2 * DPI, 3 * DPI // 2)
        assert set(image.info) == {"dpi"}


def test_pdf_and_svg_have_no_date_and_no_version(tmp_path, monkeypatch):
    for name, day in (("a", "0"), ("b", "1700000000")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", day)
        draw(tmp_path / f"{name}.png")
        check_figure(tmp_path / f"{name}.png")
    for suffix in ("pdf", "svg"):
        result = (tmp_path / f"a.{suffix}").read_bytes()
        assert result == (tmp_path / f"b.{suffix}").read_bytes()
        assert b"CreationDate" not in result and b"<dc:date" not in result
        assert matplotlib.__version__.encode() not in result
    assert b"/Subtype /Type3" not in (tmp_path / "a.pdf").read_bytes()  # text that can be edited


@pytest.mark.parametrize("damage", ["gone", "empty", "other"])
@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_a_damaged_file_of_a_figure_is_named(tmp_path, damage, suffix):
    draw(tmp_path / "a.png")
    path = tmp_path / f"a{suffix}"
    path.unlink() if damage == "gone" else path.write_bytes(b"" if damage == "empty" else b"GIF89a")
    with pytest.raises(ArtifactError, match=f"a{suffix}"):
        check_figure(tmp_path / "a.png")


@given(st.text("ab -_./é肿", max_size=120), st.floats(2, 40))
@settings(max_examples=200)
def test_wrapped_lines_fit_and_are_complete(text, width):
    lines = wrap(text, width)
    assert all(width_of(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def title_of(figure: Figure) -> Text:
    (title,) = figure.texts
    return title


def size_of(title: Text) -> float:
    size = title.get_fontsize()
    assert isinstance(size, float)
    return size


def test_a_title_that_does_not_fit_is_wrapped(tmp_path):
    with drawing(tmp_path / "a.png", 2, 2) as figure:
        heading(figure, "one line\n" + "TCGA-33-6738-01Z-00-DX6.631ec263-2df0-4d13-982b-14db382a2532")
        title = title_of(figure)
        text, size = title.get_text(), title.get_fontsize()
    assert len(text.splitlines()) > 2 and text.startswith("one line\nTCGA-") and size == 6.5
    figure.draw_without_rendering()
    box = title.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


@pytest.mark.parametrize("name", ["CD8$^+$", "$x", "a$b$\\frac{", "a\\b", "100 %", "<b>&", ""])
def test_a_name_is_not_a_formula(tmp_path, name):
    with drawing(tmp_path / "a.png") as figure:
        figure.add_subplot(title=name).plot([0, 1], [0, 1], label=name)
        heading(figure, name)
    check_figure(tmp_path / "a.png")


def test_a_long_title_is_made_smaller_than_a_short_one(tmp_path):
    with drawing(tmp_path / "a.png", 4, 2) as figure:
        heading(figure, "short")
        short = size_of(title_of(figure))
        heading(figure, "TCGA-33-6738-01Z-00-DX6.631ec263-2df0-4d13-982b-14db382a2532")
        assert size_of(title_of(figure)) < short == 9


def test_dollar_signs_in_names_are_dollar_signs(tmp_path):
    for name, title in (("a.png", "$^$"), ("b.png", "$x$"), ("c.png", "x")):
        with drawing(tmp_path / name, 2.0, 1.5) as figure:
            figure.add_subplot().set_title(title)
    assert len({(tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png")}) == 3


def test_colours_repeat_and_differ():
    assert colour(len(PALETTE)) == colour(0) and len(set(PALETTE)) == len(PALETTE)
    assert np.all([len(shade) == 7 for shade in PALETTE])
