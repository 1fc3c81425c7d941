import matplotlib
import numpy as np
from PIL import Image

from oceanpath.figures.canvas import DPI, PALETTE, colour, drawing, heading


def draw(path):
    with drawing(path, 2.0, 1.5) as figure:
        figure.add_subplot().plot([0, 1], [0, 1])
        heading(figure, "a" * 200)


def test_the_same_drawing_gives_the_same_bytes_whatever_the_user_prefers(tmp_path):
    draw(tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "savefig.dpi": 20}):
        draw(tmp_path / "b.png")
        assert matplotlib.rcParams["font.size"] == 30  # and the user's settings are left as they were
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_png_holds_no_software_and_no_date(tmp_path):
    draw(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (2 * DPI, 1.5 * DPI)
        assert set(image.info) == {"dpi"}


def test_a_long_title_is_made_smaller_than_a_short_one(tmp_path):
    with drawing(tmp_path / "a.png", 4, 2) as figure:
        heading(figure, "short")
        short = figure._suptitle.get_fontsize()
        heading(figure, "TCGA-33-6738-01Z-00-DX6.631ec263-2df0-4d13-982b-14db382a2532")
        assert figure._suptitle.get_fontsize() < short == 9


def test_dollar_signs_in_names_are_dollar_signs(tmp_path):
    for name, title in (("a.png", "$^$"), ("b.png", "$x$"), ("c.png", "x")):
        with drawing(tmp_path / name, 2.0, 1.5) as figure:
            figure.add_subplot().set_title(title)
    assert len({(tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png")}) == 3


def test_colours_repeat_and_differ():
    assert colour(len(PALETTE)) == colour(0) and len(set(PALETTE)) == len(PALETTE)
    assert np.all([len(shade) == 7 for shade in PALETTE])
