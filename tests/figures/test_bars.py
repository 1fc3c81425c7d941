from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from oceanpath.figures.bars import draw_bars


def test_bars_are_deterministic_and_proportional(tmp_path: Path) -> None:
    groups = {"a": {"one": 1.0, "two": 2.0}, "b": {"one": 0.5}}
    for name in ("x", "y"):
        draw_bars(tmp_path / f"{name}.png", groups, "GB/s")
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "y.png").read_bytes()
    draw_bars(tmp_path / "z.png", {**groups, "b": {"one": 2.0}}, "GB/s")
    blue = [
        int((np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) == (0, 114, 178)).all(axis=2).sum())
        for name in ("x", "z")
    ]
    assert blue[1] > blue[0]
