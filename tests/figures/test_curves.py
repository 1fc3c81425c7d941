import numpy as np
import pytest
from PIL import Image

from oceanpath.figures import canvas
from oceanpath.figures.calibration import Bins, CalibrationLabels, Smooth, draw_calibration
from oceanpath.figures.curves import CurveLine, draw_confusion, draw_pr, draw_probabilities, draw_roc
from oceanpath.figures.files import check_figure
from oceanpath.figures.learning import Losses, draw_learning

X = np.linspace(0, 1, 20)
TWO = np.array([0.1, 0.9])
BINS = Bins(TWO, TWO, np.array([0.2, 0.8]), np.array([30, 1]), np.array([0.1, 0.1]), np.array([0.3, 1.0]))
LABELS = CalibrationLabels("Test slides", "p", "share")
LONG = "Clear cell renal cell carcinoma, not otherwise specified (grade 3 and above)"
LONG_LABELS = CalibrationLabels(LONG, LONG, LONG)


def drawings(path):
    return {
        "roc": lambda: draw_roc(
            path, [CurveLine("model", X, np.sqrt(X), X, X, np.ones(20)), CurveLine("floor", X, X, faint=True)]
        ),
        "pr": lambda: draw_pr(path, [CurveLine("model", X, 1 - X / 2)], 0.5, "Test slides"),
        "calibration": lambda: draw_calibration(path, BINS, Smooth("curve", X, X**2), LABELS),
        "calibration without a curve": lambda: draw_calibration(path, BINS, Smooth("no curve: separated"), LABELS),
        "calibration of long names": lambda: draw_calibration(path, BINS, Smooth(LONG), LONG_LABELS),
        "roc of long names": lambda: draw_roc(
            path, [CurveLine(LONG, X, X), CurveLine(LONG + "!", X, X)], "t", "36 slides"
        ),
        "one fold": lambda: draw_learning(path, [Losses("fold 0", [1.0, None, 0.5], [1.0, 0.9, 0.8], 2)], "Losses"),
        "five folds": lambda: draw_learning(
            path, [Losses(f"fold {i}", list(X), list(X[::-1]), i) for i in range(5)], "Losses"
        ),
        "probabilities": lambda: draw_probabilities(path, {"a": X, "b": X**2}, "p"),
        "confusion": lambda: draw_confusion(path, np.array([[5, 1], [0, 3]]), ["neg", "pos"]),
        "confusion of many": lambda: draw_confusion(path, np.eye(8, dtype=int), [f"class {i}" for i in range(8)]),
    }


@pytest.mark.parametrize("name", list(drawings(None)))
def test_figures_are_deterministic(tmp_path, name):
    for file in ("a.png", "b.png"):
        drawings(tmp_path / file)[name]()
        check_figure(tmp_path / file)
    for suffix in ("png", "pdf", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize("draw", [draw_roc, draw_pr])
def test_without_a_curve_the_figure_says_so(tmp_path, draw):
    draw(tmp_path / "a.png", [])
    draw(tmp_path / "b.png", [CurveLine("model", X, X)])
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def labels(draw, *arguments):
    """The texts of the legend that a function of `curves` draws."""
    seen: list[str] = []

    def keep(figure):
        seen.extend(text.get_text() for legend in figure.legends for text in [legend.get_title(), *legend.get_texts()])
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "make_readable", keep)
        draw(*arguments)
    return seen


def test_the_legend_names_every_line_below_the_plot(tmp_path):
    lines = [CurveLine("floor", X, X, faint=True), CurveLine("model, AUROC 0.850 (0.670 to 0.980)", X, X)]
    result = labels(draw_roc, tmp_path / "a.png", lines, "Test slides", "36 slides of 27 patients, 95 % intervals")
    assert result == ["36 slides of 27 patients, 95 % intervals", "model, AUROC 0.850 (0.670 to 0.980)", "floor"]


def test_long_names_are_wrapped(tmp_path):
    result = labels(draw_pr, tmp_path / "a.png", [CurveLine(LONG, X, X)], 0.4)
    assert max(map(len, result[1].splitlines())) < 65 and result[1].replace("\n", " ") == LONG
