import numpy as np
import pytest
from PIL import Image

from oceanpath.figures.curves import (
    Bins,
    Line,
    draw_calibration,
    draw_confusion,
    draw_pr,
    draw_probabilities,
    draw_roc,
)

X = np.linspace(0, 1, 20)
BINS = Bins(np.array([0.1, 0.9]), np.array([0.2, 0.8]), np.array([30, 40]), np.array([0.1, 0.7]), np.array([0.3, 0.9]))


def drawings(path):
    return {
        "roc": lambda: draw_roc(
            path, [Line("model", X, np.sqrt(X), X, X, np.ones(20)), Line("floor", X, X, faint=True)]
        ),
        "pr": lambda: draw_pr(path, [Line("model", X, 1 - X / 2)], 0.5, "Test slides"),
        "calibration": lambda: draw_calibration(path, BINS, "p", "share"),
        "calibration without a band": lambda: draw_calibration(path, Bins(X[:2], X[:2], BINS.count), "p", "share"),
        "probabilities": lambda: draw_probabilities(path, {"a": X, "b": X**2}, "p"),
        "confusion": lambda: draw_confusion(path, np.array([[5, 1], [0, 3]]), ["neg", "pos"]),
        "confusion of many": lambda: draw_confusion(path, np.eye(8, dtype=int), [f"class {i}" for i in range(8)]),
    }


@pytest.mark.parametrize("name", list(drawings(None)))
def test_it_is_a_picture_and_the_same_each_time(tmp_path, name):
    drawings(tmp_path / "a.png")[name]()
    drawings(tmp_path / "b.png")[name]()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize("draw", [draw_roc, draw_pr])
def test_without_a_curve_the_picture_says_so(tmp_path, draw):
    draw(tmp_path / "a.png", [])
    draw(tmp_path / "b.png", [Line("model", X, X)])
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
