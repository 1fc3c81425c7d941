"""The drawing of augmentations: dropped, kept, changed and moved patches have their colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oceanpath.figures.views import ViewPanel, draw_views


def panel(title: str, coords: np.ndarray, kept: int, changed: int) -> ViewPanel:
    number = np.arange(len(coords))
    return ViewPanel(title, number < kept, (number < changed).astype(np.float32), coords)


@pytest.mark.parametrize("n", [1, 2, 300])
def test_a_figure_of_any_slide_is_written(n: int, tmp_path: Path) -> None:
    coords = np.stack([np.arange(n) % 20, np.arange(n) // 20], axis=1).astype(np.int32) * 256
    panels = [panel("crop", coords, max(n // 2, 1), 0), panel("noise", coords, n, n), panel("moved", coords + 5, n, 0)]
    draw_views(tmp_path / "views.png", "slide_$1", coords, 256, panels)
    with Image.open(tmp_path / "views.png") as image:
        assert image.size[0] == 1680


def test_dropped_and_kept_patches_have_their_colours(tmp_path: Path) -> None:
    coords = np.stack(np.meshgrid(np.arange(10), np.arange(10)), axis=-1).reshape(-1, 2).astype(np.int32) * 256
    shares = []
    for kept in (20, 80):
        draw_views(tmp_path / "views.png", "s", coords, 256, [panel("crop", coords, kept, 0)])
        pixels = np.asarray(Image.open(tmp_path / "views.png").convert("RGB")).reshape(-1, 3)
        blue = (pixels == [0x56, 0xB4, 0xE9]).all(axis=1).sum()
        grey = (pixels == [0xD9, 0xD9, 0xD9]).all(axis=1).sum()
        shares.append(blue / (blue + grey))
    assert shares == pytest.approx([0.2, 0.8], abs=0.06)
