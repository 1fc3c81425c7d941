import numpy as np
import pytest
from PIL import Image

from oceanpath.figures.embedding import EmbeddingPanel, draw_embeddings


@pytest.mark.parametrize("roles", [["train", "val", "test"] * 10, ["test"] * 30])
def test_figures_are_deterministic(tmp_path, roles):
    xy = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    labels = ["a", "b"] * 15
    for name in ("a.png", "b.png"):
        panel = EmbeddingPanel("fold 0", xy, labels, roles, ["a", "b", "never seen"])
        draw_embeddings(tmp_path / name, [panel, panel], "PC", "Slides")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_class_has_its_colour_and_no_slide_is_left_out(tmp_path):
    """Two distant clusters: each is drawn at its position, in its own colour."""
    xy = np.concatenate([np.zeros((20, 2)), np.ones((20, 2))]).astype(np.float32)
    panel = EmbeddingPanel("", xy, ["a"] * 20 + ["b"] * 20, ["test"] * 40, ["a", "b"])
    draw_embeddings(tmp_path / "a.png", [panel], "PC", "")
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)[: int(image.height * 0.85)]  # above the legend
    blue = np.argwhere((pixels[..., 2] > 150) & (pixels[..., 0] < 60))
    orange = np.argwhere((pixels[..., 0] > 180) & (pixels[..., 2] < 60))
    assert len(blue) and len(orange)
    assert blue[:, 0].mean() > orange[:, 0].mean() and blue[:, 1].mean() < orange[:, 1].mean()
